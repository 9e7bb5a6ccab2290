import { readFileSync } from 'node:fs'

/** The capabilities in the order of their numbers (linux/capability.h). */
const NAMES: readonly string[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
]

/** What Docker leaves to a process. */
const KEPT: ReadonlySet<string> = new Set([
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SYS_CHROOT',
  'MKNOD',
  'AUDIT_WRITE',
  'SETFCAP',
])

/**
 * The names of the capabilities that a process gets: `sandbox` those that Docker leaves, `insecure` all, both without
 * what is not in `bounding` (a set as bits), which nobody could give.
 */
export function capabilitiesFor(security: 'sandbox' | 'insecure', bounding: bigint): readonly string[] {
  return NAMES.filter(
    (name, bit) => ((bounding >> BigInt(bit)) & 1n) === 1n && (security === 'insecure' || KEPT.has(name)),
  ).map((name) => `CAP_${name}`)
}

/** The bounding set of this process, as bits (proc_pid_status(5)). */
export function boundingSet(): bigint {
  const field = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return BigInt(`0x${field ?? '0'}`)
}
