#!/bin/sh
# Builds the WASM module twice, the second time from a copy in another directory, and compares the bytes.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/copy" "$work/copy/scripts"
cp -R wasm "$work/copy/wasm"
cp scripts/build-wasm.sh "$work/copy/scripts/"
ln -s "$PWD/node_modules" "$work/copy/node_modules"
scripts/build-wasm.sh "$work/first.wasm"
"$work/copy/scripts/build-wasm.sh" "$work/second.wasm"
sha256sum "$work/first.wasm" "$work/second.wasm"
cmp "$work/first.wasm" "$work/second.wasm"
