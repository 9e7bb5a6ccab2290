mkdir -p empty outer/inner
chmod 0700 empty
