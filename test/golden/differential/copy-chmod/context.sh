mkdir -p d/sub
echo a > a
echo b > d/sub/b
ln -s sub d/link
