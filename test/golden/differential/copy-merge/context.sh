mkdir -p full/sub full/new
echo replaced > full/file
echo added > full/added
echo deep2 > full/sub/deep2
echo n > full/new/n
chmod 0711 full/sub
chmod 0700 full
