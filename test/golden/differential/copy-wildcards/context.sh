mkdir -p src/sub src/other
for name in a.txt b.txt c.md ab.txt .hidden.txt 'sp ace.txt'; do echo "$name" > "src/$name"; done
echo s > src/sub/s.txt
echo o > src/other/o.md
