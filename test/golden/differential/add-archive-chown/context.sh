mkdir -p dir/sub
echo f > dir/sub/file
tar --owner=3 --group=4 --numeric-owner --sort=name -cf x.tar dir
rm -r dir
