mkdir -p srv/full srv/empty
echo replaced > srv/full/file
echo now-file > srv/dangling
chmod 0700 srv/full
tar --owner=3 --group=4 --numeric-owner --sort=name -cf x.tar srv
rm -r srv
