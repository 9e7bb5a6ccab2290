echo a > a
echo b > b
chmod 0640 b
