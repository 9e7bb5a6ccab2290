part=$(printf '%060d' 1)
mkdir -p "$part/$part/$part/$part"
echo deep > "$part/$part/$part/$part/file"
ln -s "$part/$part/$part/file" "$part/link"
