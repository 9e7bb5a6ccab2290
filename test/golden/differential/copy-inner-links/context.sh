mkdir -p d/real e
echo x > d/real/x
ln -s real d/rel
ln -s /etc/passwd d/abs
ln -s ../../../../etc/group d/up
ln -s real/x d/file
