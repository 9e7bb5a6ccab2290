mkdir one two
echo 1 > one/f
echo 2 > two/g
tar -C one --owner=0 --group=0 -cf one.tar f
tar -C two --owner=0 --group=0 -cf two.tar g
echo p > plain
rm -r one two
