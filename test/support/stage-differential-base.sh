#!/bin/sh
# Makes the root file system that the differential cases build on, as a tar: busybox, setcap with its libraries, users
# and groups, and directories that are links. Usage: stage-differential-base.sh TAR
set -eu
PATH="$PATH:/usr/sbin:/sbin"
tar=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
umask 022
chmod 755 "$root"
mkdir -p "$root"/usr/bin "$root"/usr/sbin "$root"/usr/lib "$root"/etc "$root"/root "$root"/tmp "$root"/var/lib "$root"/dev \
  "$root"/proc "$root"/sys "$root"/run "$root"/home/app "$root"/srv/full/sub "$root"/srv/empty "$root"/srv/strict
ln -s usr/bin "$root/bin"
ln -s usr/sbin "$root/sbin"
ln -s usr/lib "$root/lib"
cp "$(command -v busybox)" "$root/usr/bin/busybox"
for applet in sh ls cat cp mv rm mkdir rmdir chmod chown ln touch echo env id mkfifo tar head wc sort grep sed find stat test \
  true false printf pwd tr sleep readlink hostname umask; do
  ln -s busybox "$root/usr/bin/$applet"
done
setcap=$(command -v setcap)
cp "$setcap" "$root/usr/sbin/setcap"
ldd "$setcap" | sed -n 's|.*[ \t]\(/[^ ]*\) (0x.*|\1|p' | while read -r library; do
  mkdir -p "$root/usr/${library%/*}"
  case $library in /usr/*) cp "$library" "$root$library" ;; *) cp "$library" "$root/usr$library" ;; esac
  case $library in /lib64/*) ln -s usr/lib64 "$root/lib64" ;; esac
done
cat >"$root/etc/passwd" <<'X'
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
app:x:1000:1001:app:/home/app:/bin/sh
other:x:1002:1002:other:/srv:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
X
cat >"$root/etc/group" <<'X'
root:x:0:
daemon:x:1:
staff:x:50:app
app:x:1001:
other:x:1002:
extra:x:2000:app,other
nogroup:x:65534:
X
: >"$root/etc/hosts"
: >"$root/etc/hostname"
: >"$root/etc/resolv.conf"
echo full >"$root/srv/full/file"
echo deep >"$root/srv/full/sub/deep"
echo private >"$root/srv/strict/private"
ln -s full "$root/srv/link"
ln -s /srv/full "$root/srv/absolute"
ln -s full/file "$root/srv/filelink"
ln -s ../../../../../../srv/empty "$root/srv/above"
ln -s nowhere "$root/srv/dangling"
ln "$root/srv/full/file" "$root/srv/full/hard"
chmod 0640 "$root/srv/strict/private"
chmod 0750 "$root/srv/strict"
chmod 1777 "$root/tmp"
chmod 0700 "$root/root"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@1767225600 --format=gnu -C "$root" -cf "$tar" .
