#!/usr/bin/env bash
# Installs and builds OSSB, makes a small base image from this machine's own programs, and builds a two-stage
# Dockerfile on it: no registry, no daemon, no root. What it writes is removed at the end.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d "${TMPDIR:-/tmp}/ossb-demo-XXXXXX")
finish() {
  status=$?
  trap - EXIT
  # The cache holds files of subordinate ids, which belong to the user only inside a user namespace.
  rm -rf "$work" 2>/dev/null || unshare --user --map-auto --map-root-user rm -rf "$work" || true
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n== %s\n' "$*"; }

say "Install and build OSSB"
npm ci --no-audit --no-fund
npm run build
ossb() { node dist/cli/ossb.js "$@"; }
ossb version

say "What this machine allows: ossb doctor"
if [ "$(id -u)" -eq 0 ]; then echo "(The demo runs as root here. An ordinary user with a subordinate id range gets the same image.)"; fi
if ! ossb doctor; then
  echo "The demo needs a way to run the steps of a Dockerfile; the report above names what is missing." >&2
  exit 1
fi

say "A base image from this machine's own programs"
node scripts/make-base-layout.mjs "$work/base"

mkdir "$work/app"
cat >"$work/app/Dockerfile" <<DOCKERFILE
FROM oci-layout://$work/base:base AS build
WORKDIR /src
COPY words.txt .
RUN mkdir /out && sort words.txt > /out/sorted.txt && for n in \$(seq 100); do echo "line \$n" > /out/\$n.txt; done

FROM oci-layout://$work/base:base
LABEL org.opencontainers.image.title="demo"
ENV GREETING="hello from an image without a daemon"
COPY --from=build /out /app/
RUN chown -R 1000:1000 /app && rm /app/100.txt && ls /app | wc -l
WORKDIR /app
USER 1000:1000
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo \$GREETING; cat sorted.txt"]
DOCKERFILE
printf 'wood\nslim\noci\n' >"$work/app/words.txt"

say "The Dockerfile"
cat "$work/app/Dockerfile"

build() {
  ossb build --cache-dir "$work/cache" --progress plain --tag demo/hello:1 --metadata-file "$work/$1.json" \
    --output "type=oci,dest=$work/hello.oci.tar" --output "type=docker,dest=$work/hello.docker.tar" "$work/app"
}

say "First build"
build first
say "Second build, nothing changed: every step comes from the cache"
build second

say "What it made"
ls -l "$work"/hello.*.tar
echo "An archive for docker load and podman load holds:"
tar -tf "$work/hello.docker.tar" | sed 's/^/  /'
mkdir "$work/layout"
tar -xf "$work/hello.oci.tar" -C "$work/layout"
node - "$work" <<'JS'
const { readFileSync } = require('node:fs')
const work = process.argv[2]
const json = (path) => JSON.parse(readFileSync(`${work}/${path}`, 'utf8'))
const blob = ({ digest }) => json(`layout/blobs/${digest.replace(':', '/')}`)
const [image] = json('layout/index.json').manifests
const manifest = blob(image)
console.log(`Manifest ${image.digest}`)
console.log(`Config   ${manifest.config.digest}`)
for (const layer of manifest.layers) console.log(`Layer    ${layer.digest} ${layer.size} bytes`)
console.log(JSON.stringify(blob(manifest.config).config, null, 2))
const [first, second] = ['first.json', 'second.json'].map((path) => json(path)['containerimage.digest'])
if (first === undefined || first !== second) throw new Error(`The two builds differ: ${first} and ${second}`)
console.log(`Both builds gave ${first}`)
JS

say "The cache"
ossb cache info --cache-dir "$work/cache"
say "Done"
