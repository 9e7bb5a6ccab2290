mkdir -p d
echo in > d/sub
