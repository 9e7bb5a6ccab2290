import type { Request } from './file-protocol.ts'

/** One thing to do to a file. One that is `optional` may fail; its result says so. */
export type FileOperation = { readonly path: string; readonly optional?: true } & (
  | {
      readonly type: 'mknod'
      readonly fileType: 'character' | 'block' | 'fifo'
      /** The permission bits, exactly: no umask applies. */
      readonly mode: number
      readonly major: number
      readonly minor: number
    }
  /**
   * A file with its content, in the place of whatever may be there but a directory. The mode is exact, as that of mknod;
   * the owner is set or recorded, as that of chown. Content up to 1 MiB.
   */
  | {
      readonly type: 'create'
      readonly mode: number
      readonly uid: number
      readonly gid: number
      readonly mtimeNs: bigint
      readonly content: Uint8Array
    }
  | { readonly type: 'setxattr'; readonly name: string; readonly value: Uint8Array }
  | { readonly type: 'removexattr'; readonly name: string }
  /** Result value: the attribute. */
  | { readonly type: 'getxattr'; readonly name: string }
  /** Result value: the names, each with a NUL after it. */
  | { readonly type: 'listxattr' }
  /** Nanoseconds since the epoch; a time that is absent stays as it is. */
  | { readonly type: 'settimes'; readonly mtimeNs?: bigint; readonly atimeNs?: bigint }
  /** Where this process has one id only, the owner is recorded; the other way, chown takes away set-id bits as always. */
  | { readonly type: 'chown'; readonly uid: number; readonly gid: number }
  /** As chmod(2), on record where this process could not go on with the mode. */
  | { readonly type: 'chmod'; readonly mode: number }
  /** Result value: six little-endian 32-bit numbers: see c/fsop.c. */
  | { readonly type: 'getowner' }
  | { readonly type: 'rename'; readonly to: string; readonly mode: 'replace' | 'noreplace' | 'exchange' }
  /** Result value: four little-endian 64-bit numbers: bytes in all, bytes free, files in all, files free. */
  | { readonly type: 'statfs' }
)

/** `value` is empty for operations that give none; `code` is the name of an error number ("ENODATA"), `error` says more. */
export type FileOperationResult =
  | { readonly ok: true; readonly value: Uint8Array }
  | { readonly ok: false; readonly code: string; readonly error: Error }

export type MountOperation =
  | {
      readonly type: 'overlay'
      readonly target: string
      /** Directories, the topmost first. */
      readonly lower: readonly string[]
      /** Where changes go, with `work` an empty directory beside it; without both the mount is read-only. */
      readonly upper?: string
      readonly work?: string
      /** No syncing: faster, and the upper directory is worth nothing after a crash. Linux 5.10. */
      readonly volatile?: boolean
    }
  | {
      readonly type: 'bind'
      readonly source: string
      readonly target: string
      readonly readonly: boolean
    }
  /** Memory that is gone when it is unmounted, for what must not be on a disk; mode 0700. `size` in bytes. */
  | { readonly type: 'tmpfs'; readonly target: string; readonly size: number }
  /**
   * The registry of interpreters of the session's user namespace, with an entry for each line (binfmt_misc). Where it is
   * mounted already the entries are added. Linux 6.7.
   */
  | { readonly type: 'interpreters'; readonly target: string; readonly lines: readonly string[] }

/** The letter of the operation and its fields after the path (c/fsop.c). */
const REQUESTS: {
  readonly [T in FileOperation['type']]: (
    operation: FileOperation & { readonly type: T },
  ) => readonly [string, ...(string | Uint8Array)[]]
} = {
  mknod: ({ fileType, mode, major, minor }) => ['n', fileType, String(mode), String(major), String(minor)],
  create: ({ mode, uid, gid, mtimeNs, content }) => [
    'F',
    String(mode),
    String(uid),
    String(gid),
    timeField(mtimeNs),
    content,
  ],
  setxattr: ({ name, value }) => ['s', name, value],
  removexattr: ({ name }) => ['d', name],
  getxattr: ({ name }) => ['g', name],
  listxattr: () => ['l'],
  settimes: ({ mtimeNs, atimeNs }) => ['t', timeField(mtimeNs), timeField(atimeNs)],
  chown: ({ uid, gid }) => ['c', String(uid), String(gid)],
  chmod: ({ mode }) => ['p', String(mode)],
  getowner: () => ['w'],
  rename: ({ to, mode }) => ['x', to, mode],
  statfs: () => ['f'],
}

export function requestOfOperation(operation: FileOperation): Request {
  const encode = REQUESTS[operation.type] as (
    operation: FileOperation,
  ) => readonly [string, ...(string | Uint8Array)[]]
  const [letter, ...fields] = encode(operation)
  return { operation: letter, fields: [operation.path, ...fields] }
}

function timeField(nanoseconds: bigint | undefined): string {
  return nanoseconds === undefined ? '' : String(nanoseconds)
}

export function requestOfMount(mount: MountOperation): Request {
  if (mount.type === 'bind')
    return { operation: 'b', fields: [mount.source, mount.target, mount.readonly ? 'ro' : 'rw'] }
  if (mount.type === 'interpreters') return { operation: 'i', fields: [mount.target, ...mount.lines] }
  if (mount.type === 'tmpfs') return { operation: 'm', fields: [mount.target, String(mount.size)] }
  return {
    operation: 'o',
    fields: [
      mount.target,
      mount.upper ?? '',
      mount.work ?? '',
      mount.volatile === true ? 'volatile' : '',
      ...mount.lower,
    ],
  }
}

const ACTIONS: Readonly<Record<FileOperation['type'], string>> = {
  mknod: 'create the special file',
  create: 'create the file',
  setxattr: 'set an extended attribute of',
  removexattr: 'remove an extended attribute of',
  getxattr: 'read an extended attribute of',
  listxattr: 'list the extended attributes of',
  settimes: 'set the times of',
  chown: 'set the owner of',
  chmod: 'set the mode of',
  getowner: 'read the owner of',
  rename: 'rename',
  statfs: 'read the free space at',
}

/** What the operation does, for "Cannot …". */
export function nameOperation(operation: FileOperation): string {
  const name = 'name' in operation ? ` (${operation.name})` : ''
  return `${ACTIONS[operation.type]} "${operation.path}"${name}`
}
