mkdir -p srv/link/more
echo x > srv/link/x
