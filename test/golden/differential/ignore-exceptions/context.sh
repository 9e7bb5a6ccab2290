mkdir -p a/b c docs/deep
touch a/1 a/2 a/b/3 a/b/keep c/4 docs/r.md docs/deep/r.md docs/x README.md
printf '*\n!a/b/keep\n!**/*.md\ndocs/deep\n!c\n' > .dockerignore
