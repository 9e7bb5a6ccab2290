mkdir -p d/sub
echo b > d/sub/b
ln -s sub d/link
