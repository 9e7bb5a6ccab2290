#!/usr/bin/env bash
# Installs, builds, checks and tests everything; prints "N passed, N failed" last. Needs Debian or Ubuntu with
# Node >= 20.19. As root it installs the Debian packages that the tests use; as another user it says which are missing.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/sbin:/sbin"

work=$(mktemp -d "${TMPDIR:-/tmp}/ossb-test-XXXXXX")
chmod 755 "$work"
policy=
finish() {
  status=$?
  trap - EXIT
  if [ -n "$policy" ]; then rm -f "$policy"; fi
  rm -rf "$work" || true
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

passed=0
failed=0
failures="$work/failures"
: >"$failures"

# Counts one failure, and remembers it for the end.
fail() {
  echo "Failed: $*" | tee -a "$failures" >&2
  failed=$((failed + 1))
}

say() { printf '\n== %s\n' "$*"; }

conclude() {
  if [ -s "$failures" ]; then
    say 'What failed'
    cat "$failures"
  fi
  printf '\n%s passed, %s failed\n' "$passed" "$failed"
  if [ "$failed" -gt 0 ] || [ "$passed" -eq 0 ]; then exit 1; fi
  exit 0
}

# A step without which nothing else can run.
need() {
  say "$*"
  if "$@"; then return 0; fi
  fail "$*"
  conclude
}

# A step whose failure counts as one failed test.
check() {
  say "$*"
  if "$@"; then passed=$((passed + 1)); else
    fail "$*"
  fi
}

# leg NAME NODE VITEST-ARGUMENTS...: one run of vitest, under the given Node and the command in `inside`. A leg in which
# nothing ran, or something was skipped, has failed.
inside=()
leg() {
  local name=$1 node=$2 result counts status=0
  shift 2
  result="$work/result.json"
  rm -f "$result"
  say "$name: vitest $* ($("$node" --version))"
  timeout --kill-after=10 2100 "${inside[@]}" "$node" node_modules/vitest/vitest.mjs run --config test/vitest.config.ts \
    --reporter=default --reporter=json --outputFile.json="$result" "$@" || status=$?
  counts=$(node - "$result" "$status" "$name" "$failures" <<'JS'
const { appendFileSync, readFileSync } = require('node:fs')
const [path, status, leg, failures] = process.argv.slice(2)
const tell = (what) => {
  console.error(what)
  appendFileSync(failures, `${leg}: ${what}\n`)
}
let passed = 0
let failed = 0
try {
  const result = JSON.parse(readFileSync(path, 'utf8'))
  passed = result.numPassedTests
  failed = result.numFailedTests
  const skipped = result.numPendingTests + result.numTodoTests
  const broken = result.testResults.filter((file) => file.status !== 'passed' && file.assertionResults.every((one) => one.status !== 'failed'))
  if (skipped > 0) tell(`${skipped} tests were skipped`)
  for (const file of result.testResults)
    for (const one of file.assertionResults.filter((test) => test.status === 'failed'))
      tell(`${file.name}: ${one.fullName}\n${one.failureMessages.join('\n').slice(0, 4000)}`)
  for (const file of broken) tell(`${file.name} did not run to its end: ${file.message}`)
  failed += skipped + broken.length
  if (failed === 0 && (!result.success || status !== '0')) {
    tell(`vitest ended with ${status}`)
    failed = 1
  }
} catch (error) {
  tell(`vitest left no result: ${error.message}`)
  failed = 1
}
if (passed === 0 && failed === 0) {
  tell('No test ran')
  failed = 1
}
console.log(`${passed} ${failed}`)
JS
  )
  passed=$((passed + ${counts% *}))
  failed=$((failed + ${counts#* }))
}

node_is_new_enough() {
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' ||
    { echo "Node >= 20.19 is needed, found: $(node --version 2>&1)"; return 1; }
}

packages="ca-certificates curl git procps openssl uidmap util-linux mmdebstrap busybox-static zstd xz-utils libcap2-bin
openssh-client docker.io docker-registry apache2-utils skopeo umoci crun buildah
qemu-user-static strace clang-tidy-14 cppcheck gcc libc6-dev iproute2"

missing_packages() {
  local name
  for name in $packages; do
    if ! dpkg-query --show --showformat='${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed; then echo "$name"; fi
  done
}

system_packages() {
  local missing
  missing=$(missing_packages | tr '\n' ' ')
  if [ -z "$missing" ]; then return 0; fi
  if [ "$(id -u)" -ne 0 ]; then
    echo "These packages are missing, and only root can install them: apt-get install $missing"
    return 1
  fi
  # The registry's package would start a server: the tests start their own.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o DPkg::Lock::Timeout=300 update --quiet || echo "apt-get update failed; trying with the lists there are"
  # shellcheck disable=SC2086
  apt-get -o DPkg::Lock::Timeout=300 install --yes --quiet --no-install-recommends $missing || return 1
  if [ -n "$policy" ]; then
    rm -f "$policy"
    policy=
  fi
}

id_range() {
  if [ "$(id -u)" -eq 0 ] || grep -q "^$(id -un):" /etc/subuid; then return 0; fi
  echo "$(id -un) has no subordinate ids; root can give some: usermod --add-subuids 200000-265535 --add-subgids 200000-265535 $(id -un)"
  return 1
}

# Installs the newest Node of the package registry; npm may hold back install scripts, so the package that holds the
# program itself is taken.
current_node() {
  local architecture
  architecture=$(node -p 'process.arch')
  npm install --no-save --no-audit --no-fund --prefix "$work/node" "node-linux-$architecture@latest" || return 1
  "$work/node/node_modules/node-linux-$architecture/bin/node" --version
}

need node_is_new_enough
need system_packages
need id_range
need npm ci --no-audit --no-fund
need npm run build
check npm run check:format
check npm run check:lint
check npm run check:types
check npm run check:dead
check scripts/check-native.sh
check scripts/fuzz-helper.sh 10

export OSSB_TEST_CACHE="$work/cache"
node=$(command -v node)
leg "Unit" "$node" --project unit
if [ "$(id -u)" -eq 0 ]; then
  leg "Integration" "$node" --project integration
else
  # What unpacks and changes root file systems does so as root of a user namespace, as the builder itself does.
  leg "Integration" "$node" --project integration --exclude 'test/integration/{fs,layer,snapshot,solver,store}/**'
  inside=(unshare --user --map-auto --map-root-user --mount)
  leg "Integration in a user namespace" "$node" --project integration integration/fs integration/layer integration/snapshot integration/solver integration/store
  inside=()
fi
leg "End to end" "$node" --project e2e
if current_node; then
  newer="$work/node/node_modules/node-linux-$(node -p 'process.arch')/bin/node"
  leg "Unit, current Node" "$newer" --project unit
  leg "End to end, current Node" "$newer" --project e2e smoke
else
  fail 'the installation of a current Node, and so the tests under it'
fi
conclude
