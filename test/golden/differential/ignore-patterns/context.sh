mkdir -p a/b/c logs/x temp
touch a/b/c/f a/f.log logs/1.log logs/x/2.log temp/t.tmp atemp btemp.x f1 f2 f10 ' lead'
printf '\357\273\277/logs/*.log\n  temp/  \na/**/f\nf?\n./atemp\n*/*.tmp\n#f10\nDockerfile*\n.dockerignore\n' > .dockerignore
