#!/bin/sh
# Compiles src/ to dist/, copies what is not TypeScript (the ready-built native helper) beside it, and bundles the programs.
set -eu
cd "$(dirname "$0")/.."
rm -rf dist
node_modules/.bin/tsc -p tsconfig.json
if [ -d src/native/prebuilt ]; then cp -R src/native/prebuilt dist/native/prebuilt; fi
node scripts/bundle.mjs
chmod +x dist/cli/*.js
