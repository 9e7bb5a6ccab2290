mkdir -p d/sub/deep
touch d/a.txt d/b.md d/sub/c.txt d/sub/d.md d/sub/deep/e.txt d/sub/deep/f.md
