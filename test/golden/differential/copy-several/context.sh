echo a > a
echo b > b
mkdir d
echo in > d/in
