mkdir d
mkfifo d/pipe
echo x > d/x
