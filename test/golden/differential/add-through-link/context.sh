mkdir -p link
echo l > link/through
tar --owner=0 --group=0 -cf x.tar link/through
tar --owner=0 --group=0 -C link -cf y.tar through
rm -r link
