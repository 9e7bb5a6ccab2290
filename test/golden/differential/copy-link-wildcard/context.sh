mkdir real
echo in > real/in
echo file > file
ln -s file l-file
