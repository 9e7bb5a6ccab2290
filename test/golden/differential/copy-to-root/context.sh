mkdir -p etc/new usr/bin
echo conf > etc/new/conf
echo tool > usr/bin/tool
