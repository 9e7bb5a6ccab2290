mkdir -p tree/sub/deep tree/empty
echo one > tree/one
echo two > tree/sub/two
echo three > tree/sub/deep/three
echo dot > tree/.dot
chmod 0700 tree/sub
chmod 0555 tree/empty
chmod 0755 tree/one
ln -s one tree/link
ln -s /nowhere tree/dangling
ln -s sub tree/dirlink
