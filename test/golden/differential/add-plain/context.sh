mkdir d
echo a > a
echo a > d/in
gzip -c a > packed.gz
printf 'PK\003\004 not unpacked' > x.zip
: > empty.tar
