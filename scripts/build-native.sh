#!/bin/sh
# Builds src/native/prebuilt/linux-{x64,arm64}/ossb-helper. Equal compilers give equal bytes: TOOLCHAIN names those
# that the committed programs were built with.
#   build-native.sh [x64|arm64]...   builds both, or those named
#   build-native.sh --check          rebuilds elsewhere with the compilers that are here, and compares
# x64 needs musl-tools. arm64 needs clang-14, lld-14 and in OSSB_ARM64_SYSROOT (default .test-cache/arm64-sysroot) an
# arm64 Debian with musl-dev, libgcc-12-dev and linux-libc-dev; mmdebstrap makes it where it is missing.
set -eu
cd "$(dirname "$0")/.."
source=src/native/c
prebuilt=src/native/prebuilt
sysroot=${OSSB_ARM64_SYSROOT:-.test-cache/arm64-sysroot}
warnings="-std=c11 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-missing-field-initializers"
flags="-D_GNU_SOURCE -static -Os -fno-ident -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build_x64() {
  mkdir -p "$work/include"
  ln -sf /usr/include/linux /usr/include/asm-generic /usr/include/x86_64-linux-gnu/asm "$work/include/"
  # shellcheck disable=SC2086
  musl-gcc $warnings $flags -no-pie -fno-pie -fstack-protector-strong -idirafter "$work/include" -o "$1" $source/*.c \
    -Wl,--gc-sections,--build-id=none,-s,-z,noexecstack,-z,relro,-z,now
}

has_sysroot() {
  [ -e "$sysroot/usr/lib/aarch64-linux-musl/libc.a" ]
}

make_sysroot() {
  ! has_sysroot || return 0
  mkdir -p "$(dirname "$sysroot")"
  mmdebstrap --variant=extract --architectures=arm64 --include=musl-dev,libgcc-12-dev,linux-libc-dev bookworm "$sysroot"
}

build_arm64() {
  make_sysroot
  include="$sysroot/usr/include" lib="$sysroot/usr/lib/aarch64-linux-musl"
  mkdir -p "$work/arm64" "$work/include-arm64"
  for part in linux asm-generic; do ln -sf "$(realpath "$include/$part")" "$work/include-arm64/"; done
  ln -sf "$(realpath "$include/aarch64-linux-gnu/asm")" "$work/include-arm64/"
  for file in "$source"/*.c; do
    # shellcheck disable=SC2086
    clang-14 --target=aarch64-linux-musl $warnings $flags -Wno-unused-command-line-argument -fstack-protector-strong \
      -mno-outline-atomics -nostdinc -isystem "$include/aarch64-linux-musl" -idirafter "$work/include-arm64" \
      -c "$file" -o "$work/arm64/$(basename "$file" .c).o"
  done
  ld.lld-14 -static --gc-sections --build-id=none -s -z noexecstack -z relro -z now -o "$1" \
    "$lib/crt1.o" "$lib/crti.o" "$work"/arm64/*.o "$lib/libc.a" \
    "$(find "$sysroot/usr/lib/gcc/aarch64-linux-gnu" -name libgcc.a)" "$lib/crtn.o"
}

can_build() {
  case $1 in
    x64) command -v musl-gcc ;;
    arm64) command -v clang-14 && command -v ld.lld-14 && { has_sysroot || command -v mmdebstrap; } ;;
    *) echo "build-native.sh: unknown architecture $1" >&2; exit 2 ;;
  esac >/dev/null
}

# The digest of its libc.a stands for a musl: its version alone does not tell one build from another.
toolchain() {
  case $1 in
    x64) echo "x64: $(musl-gcc --version | head -n 1); musl $(libc_digest "$(musl-gcc -print-file-name=libc.a)")" ;;
    arm64) echo "arm64: $(clang-14 --version | head -n 1); $(ld.lld-14 --version); musl $(libc_digest "$sysroot/usr/lib/aarch64-linux-musl/libc.a")" ;;
  esac
}

libc_digest() {
  sha256sum "$1" | cut -c 1-16
}

check() {
  status=0
  (cd $prebuilt && sha256sum --quiet --check SHA256SUMS)
  for arch in x64 arm64; do
    # Not the place to fetch packages for.
    if ! can_build $arch || { [ $arch = arm64 ] && ! has_sysroot; }; then
      echo "$arch: not rebuilt, its compiler or libraries are not installed"
      continue
    fi
    build_$arch "$work/$arch-helper"
    if cmp -s "$work/$arch-helper" "$prebuilt/linux-$arch/ossb-helper"; then
      echo "$arch: identical"
    elif toolchain $arch | grep -qxFf - $prebuilt/TOOLCHAIN; then
      echo "$arch: the committed program is not what the source gives; run scripts/build-native.sh" >&2
      status=1
    else
      echo "$arch: not compared, built here by $(toolchain $arch)"
    fi
  done
  return $status
}

if [ "${1:-}" = --check ]; then
  check
  exit
fi
[ $# -gt 0 ] || set -- x64 arm64
for arch in "$@"; do
  can_build "$arch" || { echo "build-native.sh: the compiler for $arch is not installed" >&2; exit 1; }
  build_"$arch" "$work/helper"
  mkdir -p "$prebuilt/linux-$arch"
  install -m 755 "$work/helper" "$prebuilt/linux-$arch/ossb-helper"
  touch $prebuilt/TOOLCHAIN
  { grep -v "^$arch: " $prebuilt/TOOLCHAIN || true; toolchain "$arch"; } | LC_ALL=C sort >"$work/toolchain"
  cp "$work/toolchain" $prebuilt/TOOLCHAIN
done
(cd $prebuilt && sha256sum linux-*/ossb-helper >SHA256SUMS)
ls -l $prebuilt/*/ossb-helper
