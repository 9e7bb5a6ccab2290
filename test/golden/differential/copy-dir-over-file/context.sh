mkdir -p d/file
echo in > d/file/in
