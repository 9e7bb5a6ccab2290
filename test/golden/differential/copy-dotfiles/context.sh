mkdir -p d/.git
echo x > d/.env
echo y > d/.git/config
echo z > .top
