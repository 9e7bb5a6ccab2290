mkdir -p d/sub
echo b > d/sub/b
