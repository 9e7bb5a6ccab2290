mkdir -p in/dir/sub
echo f > in/dir/file
echo s > in/dir/sub/s
chmod 0750 in/dir
ln -s file in/dir/link
ln in/dir/file in/dir/hard
cd in
tar --owner=7 --group=8 --numeric-owner --sort=name -cf ../plain.tar dir
tar --owner=1000 --group=1001 --numeric-owner --sort=name -czf ../packed.tar.gz dir
cp ../packed.tar.gz ../named-strangely.txt
cd ..
rm -r in
