#!/bin/sh
# Compiles wasm/assembly to wasm/build/ossb.wasm (or to the file given) with the AssemblyScript that npm ci installed.
set -eu
cd "$(dirname "$0")/../wasm"
output=${1:-build/ossb.wasm}
mkdir -p "$(dirname "$output")"
../node_modules/.bin/asc --config asconfig.json --outFile "$output.$$"
mv "$output.$$" "$output"
