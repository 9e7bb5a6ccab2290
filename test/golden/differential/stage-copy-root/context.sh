mkdir -m 0700 d
touch d/f
echo Dockerfile* > .dockerignore
