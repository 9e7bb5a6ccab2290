mkdir -p app1/lib app2/lib
echo 1 > app1/lib/l
echo 2 > app2/lib/m
echo r > app1/r
