touch a
echo a > .dockerignore
