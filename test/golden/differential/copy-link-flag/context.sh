mkdir d
echo a > a
echo in > d/in
