import { existsSync } from 'node:fs'
import { formatPlatform, hostPlatform, OssbError, type Platform } from '../../core/index.ts'

/** Names that qemu-user and its binfmt_misc registrations use. */
const QEMU_NAMES: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  arm64: 'aarch64',
  '386': 'i386',
  loong64: 'loongarch64',
}

/** Architectures that a processor of the key runs by itself. */
const NATIVE: Readonly<Record<string, readonly string[]>> = {
  amd64: ['amd64', '386'],
  arm64: ['arm64', 'arm'],
}

/**
 * Programs of another architecture run where the machine has an interpreter registered for them (binfmt_misc).
 * @throws OssbError ERR_OSSB_EXECUTOR where it has none
 */
export function assertRunnable(platform: Platform): void {
  const host = hostPlatform()
  if ((NATIVE[host.architecture] ?? [host.architecture]).includes(platform.architecture)) return
  const qemu = `qemu-${QEMU_NAMES[platform.architecture] ?? platform.architecture}`
  if (existsSync(`/proc/sys/fs/binfmt_misc/${qemu}`)) return
  throw new OssbError(
    'ERR_OSSB_EXECUTOR',
    `Cannot run a step for ${formatPlatform(platform)}: this machine is ${formatPlatform(host)}, and no emulation is registered for the other`,
    {
      hint: `Register it once on this machine (Debian: apt install qemu-user-static binfmt-support), so that /proc/sys/fs/binfmt_misc/${qemu} is there, or build for ${formatPlatform(host)}.`,
    },
  )
}
