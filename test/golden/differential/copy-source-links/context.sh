mkdir real
echo in > real/in
echo file > file
ln -s real dirlink
ln -s file filelink
ln -s /file rooted
