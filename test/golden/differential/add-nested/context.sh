mkdir dir
echo f > dir/file
tar --sort=name -cf dir/inner.tar dir/file
tar --owner=0 --group=0 --sort=name -cf outer.tar dir
