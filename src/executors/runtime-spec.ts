import type { ProcessUser } from '../fs/index.ts'
import { capabilitiesFor } from './capabilities.ts'
import type { ProcessSpec } from './executor.ts'
import type { PlacedMount } from './mount-points.ts'
import { environmentOf } from './process-environment.ts'
import { limitsOf, type ProcessLimit } from './process-limits.ts'
import { type SeccompProfile, seccompProfile } from './seccomp-profile.ts'

/** The parts of an OCI runtime configuration that a RUN needs (runtime-spec config.md). */
export interface RuntimeSpec {
  readonly ociVersion: string
  readonly process: RuntimeProcess
  readonly root: { readonly path: string; readonly readonly: false }
  readonly hostname: string
  readonly mounts: readonly RuntimeMount[]
  readonly hooks?: { readonly createContainer: readonly RuntimeHook[] }
  readonly linux: {
    readonly namespaces: readonly { readonly type: string }[]
    readonly maskedPaths: readonly string[]
    readonly readonlyPaths: readonly string[]
    readonly seccomp?: SeccompProfile
  }
}

export interface RuntimeProcess {
  readonly terminal: false
  readonly user: {
    readonly uid: number
    readonly gid: number
    readonly additionalGids: readonly number[]
    readonly umask: number
  }
  readonly args: readonly string[]
  readonly env: readonly string[]
  readonly cwd: string
  readonly noNewPrivileges: false
  readonly capabilities: Readonly<Record<CapabilitySet, readonly string[]>>
  readonly rlimits: readonly RuntimeLimit[]
}

interface RuntimeLimit {
  /** `RLIMIT_NOFILE` */
  readonly type: string
  readonly soft: bigint
  readonly hard: bigint
}

type CapabilitySet = 'bounding' | 'effective' | 'permitted' | 'inheritable' | 'ambient'

/** Runs when everything is mounted, and the root of the process is not yet that of its namespace. */
export interface RuntimeHook {
  readonly path: string
  readonly args: readonly string[]
  readonly env: readonly string[]
}

export interface RuntimeMount {
  readonly destination: string
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

export interface RuntimeSpecOptions {
  readonly process: ProcessSpec
  readonly user: ProcessUser
  readonly rootfs: string
  /** What is mounted besides the kernel's own file systems, in order. */
  readonly mounts: readonly PlacedMount[]
  /** The capabilities that can be given at all, as bits. */
  readonly bounding: bigint
  /** Node's name of the machine's architecture. */
  readonly architecture: string
  /** Whose namespace the runtime is started in: that of the machine's root, or of an ordinary user. */
  readonly namespace: 'local' | 'rootless'
}

/** What of the kernel a process must not see, and what it may see but not change; Docker hides and protects the same. */
const HIDDEN: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/firmware',
  '/sys/kernel/debug',
  '/sys/kernel/tracing',
  '/sys/kernel/security',
  '/sys/fs/bpf',
  '/sys/fs/pstore',
  '/sys/devices/virtual/powercap',
]
const PROTECTED: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
]

/** The configuration by which an OCI runtime runs the process as every other executor does. */
export function runtimeSpec(options: RuntimeSpecOptions): RuntimeSpec {
  const { process, rootfs, mounts, architecture, namespace } = options
  const isSandbox = process.security === 'sandbox'
  return {
    ociVersion: '1.0.2',
    process: runtimeProcess(options),
    root: { path: rootfs, readonly: false },
    hostname: process.hostname,
    mounts: [...kernelMounts(process), ...mounts.map((mount) => runtimeMount(mount, isSandbox))],
    ...(isSandbox && namespace === 'local' ? { hooks: { createContainer: [withoutDevices(rootfs)] } } : {}),
    linux: {
      namespaces: [
        'pid',
        'ipc',
        'uts',
        'mount',
        'cgroup',
        ...(process.network === 'none' ? ['network'] : []),
      ].map((type) => ({ type })),
      maskedPaths: isSandbox ? HIDDEN : [],
      readonlyPaths: isSandbox ? PROTECTED : [],
      ...(isSandbox ? { seccomp: seccompProfile(architecture) } : {}),
    },
  }
}

/** No user but root keeps capabilities; no_new_privileges would take sudo away, which works in a RUN. */
function runtimeProcess({ process, user, bounding }: RuntimeSpecOptions): RuntimeProcess {
  const capabilities = capabilitiesFor(process.security, bounding)
  const own = user.uid === 0 ? capabilities : []
  return {
    terminal: false,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.groups, umask: 0o022 },
    args: process.args,
    env: environmentOf(process, user),
    cwd: process.cwd,
    noNewPrivileges: false,
    capabilities: { bounding: capabilities, effective: own, permitted: own, inheritable: [], ambient: [] },
    rlimits: limitsOf(process.limits).map(runtimeLimit),
  }
}

/** No limit is the highest number that there is, which a double can't hold. */
function runtimeLimit({ name, soft, hard }: ProcessLimit): RuntimeLimit {
  const value = (limit: number) => BigInt.asUintN(64, BigInt(limit))
  return { type: `RLIMIT_${name.toUpperCase()}`, soft: value(soft), hard: value(hard) }
}

/** The configuration as JSON, its limits as the whole numbers that they are. */
export function encodeRuntimeSpec(spec: RuntimeSpec): string {
  const limits = spec.process.rlimits.map(
    ({ type, soft, hard }) => `{"type":${JSON.stringify(type)},"soft":${soft},"hard":${hard}}`,
  )
  const text = JSON.stringify({ ...spec, process: { ...spec.process, rlimits: [] } })
  // Inside a string the quotes would have backslashes.
  return text.replace('"rlimits":[]', () => `"rlimits":[${limits.join(',')}]`)
}

/**
 * Device nodes can be opened nowhere but where the runtime put them: an image may hold others, a container's root may
 * make some, and where there is no cgroup to forbid it those of the machine's own root would work. Runtimes know no
 * such option for the root, and none that spares the nodes of /dev: each becomes a mount of its own first.
 */
const ONLY_OWN_DEVICES = `for node in null zero full random urandom tty; do mount --bind "$0/dev/$node" "$0/dev/$node" || exit; done
mount -o remount,bind,nosuid,nodev "$0/dev" && exec mount -o remount,bind,nodev "$0"`

function withoutDevices(rootfs: string): RuntimeHook {
  return {
    path: '/bin/sh',
    args: ['sh', '-c', ONLY_OWN_DEVICES, rootfs],
    env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
  }
}

function kernelMounts({ shmSize, network, security }: ProcessSpec): readonly RuntimeMount[] {
  const limited = ['nosuid', 'noexec', 'nodev']
  return [
    kernelMount('/proc', 'proc', limited),
    kernelMount('/dev', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
    kernelMount('/dev/pts', 'devpts', [
      'nosuid',
      'noexec',
      'newinstance',
      'ptmxmode=0666',
      'mode=0620',
      'gid=5',
    ]),
    kernelMount('/dev/shm', 'tmpfs', [...limited, 'mode=1777', `size=${shmSize}`]),
    kernelMount('/dev/mqueue', 'mqueue', limited),
    sysMount({ network, security }, limited),
  ]
}

/**
 * A user namespace may mount a /sys only with a network namespace of its own; else it is the machine's, read-only with
 * all that is mounted below it: a read-only /sys alone leaves the cgroups writable.
 */
function sysMount(
  { network, security }: Pick<ProcessSpec, 'network' | 'security'>,
  limited: readonly string[],
): RuntimeMount {
  if (network === 'none')
    return kernelMount('/sys', 'sysfs', security === 'sandbox' ? [...limited, 'ro'] : limited)
  const options = security === 'sandbox' ? ['rbind', ...limited, 'ro', 'rro'] : ['rbind', ...limited]
  return { destination: '/sys', type: 'none', source: '/sys', options }
}

function kernelMount(destination: string, type: string, options: readonly string[]): RuntimeMount {
  return { destination, type, source: type, options }
}

/**
 * nodev: root in a RUN may make device nodes, and on a real root's machine they would work. Only a directory can have
 * mounts below it, and runtimes take recursive options for nothing else.
 */
function runtimeMount(mount: PlacedMount, isSandbox: boolean): RuntimeMount {
  if (mount.type === 'tmpfs') {
    const size = mount.size === undefined ? [] : [`size=${mount.size}`]
    return kernelMount(mount.target, 'tmpfs', ['nosuid', 'nodev', 'mode=1777', ...size])
  }
  const flags = [...(mount.readonly ? ['ro'] : []), ...(isSandbox ? ['nodev'] : [])]
  const recursive = mount.kind === 'directory' ? flags.map((flag) => `r${flag}`) : []
  return {
    destination: mount.target,
    type: 'none',
    source: mount.source,
    options: ['rbind', ...flags, ...recursive],
  }
}
