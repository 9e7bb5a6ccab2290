mkdir -p keep/sub drop/sub node_modules/x src/node_modules/y
touch keep/a.md keep/a.txt keep/sub/b.md drop/sub/c node_modules/x/1 src/node_modules/y/2 src/main top.md top.txt .env
printf '# comment\n\ndrop\n*.md\n**/node_modules\n.env\nDockerfile*\n' > .dockerignore
