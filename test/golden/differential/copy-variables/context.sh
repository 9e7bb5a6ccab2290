mkdir -p src/v1
echo v1 > src/v1/file
echo 'a b' > 'src/a b'
