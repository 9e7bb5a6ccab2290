for mode in 4755 2755 1755 0000 0400 0777; do echo $mode > f$mode; chmod $mode f$mode; done
mkdir d
chmod 3777 d
chmod 0444 f0000
