mkdir d
touch d/a d/b c
echo c > .dockerignore
echo d/a > Dockerfile.dockerignore
