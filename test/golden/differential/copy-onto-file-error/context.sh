mkdir d
echo in > d/in
