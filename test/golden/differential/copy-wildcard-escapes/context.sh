mkdir src
for name in '[x].txt' '*.txt' 'x.txt' 'a?b'; do echo "$name" > "src/$name"; done
