# bzip2 is not everywhere: the archive is here as text.
echo QlpoOTFBWSZTWb1fpG4AAIr7gPGQAAFAAP+AAERnJB4ABAggAHUJSE0GjT1AyA0BJSGmhkGgAaaT4uyhAakA9ySENxzI02GEWFA4QhgHNDzwaMG6jxESU6xBxobKosy9cnwhIta5Chv9RnG3pKQwmTJkBIPxdyRThQkL1fpG4A== | base64 -d > packed.tar.bz2
mkdir dir
echo f > dir/file
tar --owner=7 --group=8 --numeric-owner --sort=name -cJf packed.xz dir
rm -r dir
