import { closeSync, constants, openSync, readSync } from 'node:fs'
import { fileSystemError } from '../core/index.ts'
import { compileModule, instantiate } from './wasm-module.ts'

/**
 * XXH3-128 of contents, as 32 hex digits. Tells "is this what it was" between two of our own snapshots; it is not
 * a cryptographic hash and must not name content, key a cache or be trusted from elsewhere.
 */
export interface Fingerprinter {
  /** Of a regular file; a symlink is not followed. @throws OssbError ERR_OSSB_FILESYSTEM when it cannot be read */
  file(path: string): string
  bytes(data: Uint8Array): string
}

/** The file is read straight into the module's memory; larger reads gain nothing and leave the processor's cache. */
const READ_SIZE = 256 * 1024

/** Puts what comes next into `target`, between two offsets; returns how many bytes, 0 at the end. */
type Read = (target: Buffer, from: number, to: number) => number

/** A fingerprinter of its own: not to be shared between threads. Synchronous throughout. */
export function createFingerprinter(): Fingerprinter {
  const wasm = instantiate(compileModule())
  const memory = Buffer.from(wasm.memory.buffer)

  const fingerprint = (read: Read): string => {
    const input = wasm.fp_init()
    let filled = 0
    for (;;) {
      const count = read(memory, input + filled, input + READ_SIZE)
      if (count === 0) break
      filled += count
      if (filled === READ_SIZE) filled = wasm.fp_update(filled)
    }
    const digest = wasm.fp_final(filled)
    return memory.toString('hex', digest, digest + 16)
  }

  return {
    file: (path) => {
      try {
        return withFile(path, (fd) =>
          fingerprint((target, from, to) => readSync(fd, target, from, to - from, null)),
        )
      } catch (error) {
        throw fileSystemError(`read "${path}" for its fingerprint`, error)
      }
    },
    bytes: (data) => fingerprint(readerOf(data)),
  }
}

function withFile(path: string, use: (fd: number) => string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

function readerOf(data: Uint8Array): Read {
  let at = 0
  return (target, from, to) => {
    const part = data.subarray(at, at + to - from)
    target.set(part, from)
    at += part.length
    return part.length
  }
}
