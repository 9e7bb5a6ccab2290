#!/bin/sh
# Static analysis of the helper (src/native/c): clang-tidy, cppcheck, and gcc's own analyzer. Says nothing when clean.
# Needs clang-tidy-14, cppcheck, gcc and libc6-dev.
set -eu
cd "$(dirname "$0")/.."
source=src/native/c
status=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Left out: checks that want functions which no C library here has (memcpy_s), and that every result be looked at, also
# those of close() and signal().
checks='-*,bugprone-*,clang-analyzer-*,cert-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier
-cert-dcl37-c,-cert-dcl51-cpp,-cert-err33-c,-bugprone-not-null-terminated-result,-bugprone-suspicious-string-compare
-bugprone-implicit-widening-of-multiplication-result,-clang-analyzer-security.insecureAPI.*'
checks=$(echo "$checks" | tr '\n' ',')

clang-tidy-14 --quiet --warnings-as-errors='*' --checks="${checks%,}" $source/*.c -- -std=c11 -D_GNU_SOURCE \
  >"$work/tidy" 2>/dev/null || { cat "$work/tidy" >&2; status=1; }
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem \
  --error-exitcode=1 -D__x86_64__ -D_GNU_SOURCE $source >&2 || status=1
for file in "$source"/*.c; do
  gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wno-missing-field-initializers -fanalyzer -Werror -c "$file" -o "$work/object" ||
    status=1
done
exit $status
