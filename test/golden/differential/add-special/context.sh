mkdir dir
mkfifo dir/pipe
echo s > dir/suid
chmod 6755 dir/suid
mkdir -m 1777 dir/sticky
ln -s ../../outside dir/up
printf 'wide\n' > dir/naïve
tar --owner=0 --group=0 --sort=name --format=pax -cf x.tar dir
rm -r dir
