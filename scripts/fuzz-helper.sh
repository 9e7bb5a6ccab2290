#!/bin/sh
# Fuzzes what the helper reads from others, with the address and undefined behaviour sanitizers of gcc:
#   scripts/fuzz-helper.sh [SECONDS [SEED]]
# The seed is printed; the same one gives the same inputs. Needs gcc and libc6-dev.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
others=$(find src/native/c -name '*.c' | grep -Ev '/(spec|map|fsop|main|report)\.c$')
# shellcheck disable=SC2086
gcc -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -w -I src/native/c -o "$work/fuzz" \
  scripts/fuzz-helper.c $others
# What a refused input had allocated is not given back: the helper ends there.
ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=16 "$work/fuzz" "$@"
