#!/usr/bin/env bash
# Builds the image of OSSB by OSSB itself, from packages of this machine's distribution and from this checkout.
#   build.sh [--debug] FLAGS...   the flags are those of "ossb build": -t, --push, -o
# Needs mmdebstrap, and `npm run build` done. --debug adds a shell and its tools in /busybox.
set -Eeuo pipefail
cd "$(dirname "$0")/../.."

target=image
if [ "${1-}" = --debug ]; then
  target=image-debug
  shift
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/ossb-image-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# shellcheck disable=SC1091
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mode=root
if [ "$(id -u)" -ne 0 ]; then mode=unshare; fi
mmdebstrap --quiet "--mode=$mode" --variant=minbase --format=tar \
  --include=git,openssh-client,busybox-static,ca-certificates \
  "$suite" "$work/base.tar"
node scripts/make-base-layout.mjs "$work/base" --rootfs-tar "$work/base.tar"
rm "$work/base.tar"

mkdir "$work/node" "$work/ossb"
cp "$(node -p process.execPath)" "$work/node/node"
cp -r dist package.json LICENSE "$work/ossb/"
mkdir "$work/ossb/wasm"
cp -r wasm/build "$work/ossb/wasm/"
npm ls --omit=dev --all --parseable | sed -n "s|^$PWD/||p" | grep -v '/@\?typescript' | while read -r package; do
  mkdir -p "$work/ossb/$(dirname "$package")"
  cp -r "$package" "$work/ossb/$(dirname "$package")/"
done
# For other runtimes than Node, and for people.
find "$work/ossb" -depth \( -path '*/prebuilds*' -o -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.md' \) -delete

node dist/cli/ossb.js build --target "$target" --file scripts/image/Dockerfile \
  --build-context "base=oci-layout://$work/base:base" --build-context "node=$work/node" "$@" "$work/ossb"
