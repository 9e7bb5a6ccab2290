mkdir -p a/b/c x/y
echo 1 > a/b/c/1
echo 2 > a/b/2
echo 3 > x/y/3
chmod 0750 a/b
