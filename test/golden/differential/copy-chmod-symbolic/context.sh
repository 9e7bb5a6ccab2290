mkdir -p d/sub
echo a > a
echo b > d/sub/b
chmod 0755 d/sub/b
