#!/bin/sh
# Compiles src/ to dist/ and copies what is not TypeScript (the ready-built native helper) beside it.
set -eu
cd "$(dirname "$0")/.."
rm -rf dist
node_modules/.bin/tsc -p tsconfig.json
if [ -d src/native/prebuilt ]; then cp -R src/native/prebuilt dist/native/prebuilt; fi
chmod +x dist/cli/*.js
