mkdir -p d
for name in 'naïve' 'sp ace' 'tab	tab' 'quo"te' "apos'" 'dollar$X' 'back\slash' '日本語' 'plus+' '#hash' '!bang' '-dash' 'star*' 'a;b' 'e=f'; do echo "$name" > "d/$name"; done
printf x > "d/$(printf 'new\nline')"
echo long > "d/$(printf '%0200d' 7)"
