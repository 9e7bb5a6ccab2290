import { closeSync, constants, fchmodSync, fchownSync, fstatSync, futimesSync, openSync } from 'node:fs'
import { writeFully } from '../io/index.ts'
import { attributesOf } from './attributes.ts'
import type { TarHeader } from './tar-header.ts'
import type { UnpackRoot } from './unpack-root.ts'

/** Writes the files of a layer, one after another. */
export interface FileWriter {
  /** Begins a file. @throws EEXIST where something is there, which the caller removes */
  create(path: string, header: TarHeader): void
  /** Adds to the file that was begun last; without one nothing happens. */
  write(chunk: Uint8Array): void
  /** Ends the file, with its owner, mode, times and attributes; without one nothing happens. */
  finish(): void
  /** Lets go of a file that was not finished. */
  [Symbol.dispose](): void
}

/**
 * Up to here a file is made whole by the native session, beside this thread: the kernel takes longer to make a small
 * file than all else does with it. What is larger is written here, and what is small too while the session is busy.
 */
const SMALL_FILE = 64 * 1024

const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL

interface BegunFile {
  readonly path: string
  readonly header: TarHeader
  /** What the session makes has its content here, what is made here a descriptor. */
  readonly content: Uint8Array[]
  readonly fd: number | undefined
}

export function createFileWriter(root: UnpackRoot): FileWriter {
  let file: BegunFile | undefined

  const close = (): void => {
    const fd = file?.fd
    file = undefined
    if (fd !== undefined) closeSync(fd)
  }

  return {
    create: (path, header) => {
      const isOurs = header.size > SMALL_FILE || root.isBusy()
      const fd = isOurs ? openSync(path, NEW, modeAtFirst(root, header)) : undefined
      file = { path, header, content: [], fd }
    },
    write: (chunk) => {
      if (file?.fd === undefined) file?.content.push(chunk)
      else writeFully(file.fd, chunk)
    },
    finish: () => {
      if (file === undefined) return
      const { path, header, content, fd } = file
      if (fd === undefined) root.create(path, header, joined(content))
      else finishOpen(root, { path, header, fd })
      close()
      // Writing takes a capability away.
      root.later(...attributesOf(path, header))
    },
    [Symbol.dispose]: close,
  }
}

/** Most files have their mode from the start. What is recorded is set by path, which the mode could forbid. */
function modeAtFirst({ session }: UnpackRoot, { mode }: TarHeader): number {
  return session.recordsOwners ? 0o600 : mode & 0o777
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces
  return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces)
}

interface OpenFile {
  readonly path: string
  readonly header: TarHeader
  readonly fd: number
}

/** The mode after the owner: writing and chown(2) take set-id bits away. */
function finishOpen(root: UnpackRoot, { path, header, fd }: OpenFile): void {
  const { session } = root
  if (session.recordsOwners) {
    root.later(...session.chown(path, header), ...session.chmod(path, header.mode))
  } else {
    const { uid, gid, mode } = fstatSync(fd)
    if (uid !== header.uid || gid !== header.gid) fchownSync(fd, header.uid, header.gid)
    if ((mode & 0o7777) !== header.mode) fchmodSync(fd, header.mode)
  }
  const seconds = wholeSeconds(header.mtimeNs)
  if (seconds === undefined) root.later({ type: 'settimes', path, mtimeNs: header.mtimeNs })
  else futimesSync(fd, seconds, seconds)
}

const NS_PER_SECOND = 1_000_000_000n

/** A time that Node can set itself, in seconds: it has no nanoseconds, and takes a time before the epoch for the present. */
export function wholeSeconds(ns: bigint): number | undefined {
  return ns >= 0n && ns % NS_PER_SECOND === 0n ? Number(ns / NS_PER_SECOND) : undefined
}
