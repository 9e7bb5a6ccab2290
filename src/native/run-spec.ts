import { OssbError } from '../core/index.ts'

/** Something of the outside that the process sees inside its root; mounted in order, targets made where missing. */
export type RunMount =
  | { readonly type: 'bind'; readonly source: string; readonly target: string; readonly readonly: boolean }
  /** `size` in bytes. */
  | { readonly type: 'tmpfs'; readonly target: string; readonly size?: number }

/** A limit of setrlimit(2). `resource` is the number that Linux has for it; a value that is absent is no limit. */
export interface RunLimit {
  /** For messages: "nofile". */
  readonly name: string
  readonly resource: number
  readonly soft?: number
  readonly hard?: number
}

/** A process in a root of its own. Ids and paths but `root` and bind sources are those inside. */
export interface RunSpec {
  readonly root: string
  /** The program is looked for in PATH of `env` where its name has no slash. */
  readonly args: readonly string[]
  /** `NAME=value`: the whole environment. */
  readonly env: readonly string[]
  /** Made (0755, root) where it is missing. */
  readonly cwd: string
  readonly uid: number
  readonly gid: number
  /** Supplementary groups. */
  readonly groups: readonly number[]
  readonly hostname: string
  /** The path of a user namespace below this process's, to be entered first. */
  readonly userNamespace?: string
  /** `none`: a network of its own with nothing but a loopback device. */
  readonly network: 'host' | 'none'
  /** `insecure`: all capabilities that this process has, no seccomp filter, nothing hidden or read-only. */
  readonly security: 'sandbox' | 'insecure'
  /** Bytes. */
  readonly shmSize: number
  readonly limits: readonly RunLimit[]
  readonly mounts: readonly RunMount[]
  /**
   * Given where nothing can be mounted: an empty directory on the root's file system, for what is moved out of the way.
   * What is bound is then moved into the root for as long as the process runs, and can be written to.
   */
  readonly holding?: string
  /**
   * Not in namespaces but by a supervisor that answers its system calls (c/trace.h). Mount points must exist then, and
   * have no links in their paths; `scratch` is an empty directory for what the process sees as /dev and as tmpfs.
   */
  readonly traced?: { readonly scratch: string }
}

/** The specification as the helper reads it (c/spec.c): keys and values, each with a NUL after it. */
export function encodeRunSpec(spec: RunSpec): Buffer {
  const words = [
    'root',
    spec.root,
    'cwd',
    spec.cwd,
    'hostname',
    spec.hostname,
    'shm',
    String(spec.shmSize),
    'uid',
    String(spec.uid),
    'gid',
    String(spec.gid),
    ...spec.groups.flatMap((group) => ['group', String(group)]),
    ...(spec.userNamespace === undefined ? [] : ['user-namespace', spec.userNamespace]),
    ...(spec.network === 'none' ? ['no-network'] : []),
    ...(spec.security === 'insecure' ? ['insecure'] : []),
    ...(spec.holding === undefined ? [] : ['chroot', spec.holding]),
    ...spec.limits.flatMap(limitWords),
    ...spec.mounts.flatMap(mountWords),
    ...spec.env.flatMap((entry) => ['env', entry]),
    ...spec.args.flatMap((argument) => ['arg', argument]),
    'end',
  ]
  const bad = words.find((word) => word.includes('\0'))
  if (bad !== undefined)
    throw new OssbError(
      'ERR_OSSB_EXECUTOR',
      `Cannot run a command: ${JSON.stringify(bad)} holds a NUL character`,
    )
  return Buffer.from(words.map((word) => `${word}\0`).join(''))
}

function limitWords({ resource, soft, hard }: RunLimit): readonly string[] {
  return ['limit', ...[resource, soft, hard].map((value) => (value === undefined ? '' : String(value)))]
}

function mountWords(mount: RunMount): readonly string[] {
  return mount.type === 'tmpfs'
    ? ['tmpfs', mount.target, mount.size === undefined ? '' : String(mount.size)]
    : [mount.readonly ? 'ro-bind' : 'bind', mount.source, mount.target]
}
