mkdir -p dir
echo f > dir/file
tar --owner=7 --group=8 --numeric-owner --sort=name -cf plain.tar dir
zstd -q plain.tar -o packed.zst
rm -r plain.tar dir
