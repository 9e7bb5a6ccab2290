echo a > a
mkdir d
echo in > d/in
