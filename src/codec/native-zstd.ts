import { createHash } from 'node:crypto'
import * as zlib from 'node:zlib'

type Transform = NodeJS.ReadWriteStream & { destroy(error?: Error): void }
type CompressOptions = { readonly params: Readonly<Record<number, number>> }
type Done = (error: Error | null, result: Uint8Array<ArrayBuffer>) => void

/** The part of node:zlib that Node has from 22.15 on and that the types of Node 20 do not know. */
export interface NativeZstd {
  zstdCompress(content: Uint8Array, options: CompressOptions, done: Done): void
  zstdCompressSync(content: Uint8Array, options: CompressOptions): Uint8Array
  createZstdDecompress(options: {
    readonly chunkSize: number
    readonly params: Readonly<Record<number, number>>
  }): Transform
  readonly constants: { readonly ZSTD_c_compressionLevel: number; readonly ZSTD_d_windowLogMax: number }
}

function isNativeZstd(candidate: object): candidate is NativeZstd {
  return 'zstdCompress' in candidate && 'createZstdDecompress' in candidate
}

/** node:zlib's zstd, where this Node has one. */
export function findNativeZstd(): NativeZstd | undefined {
  return isNativeZstd(zlib) ? zlib : undefined
}

const PROBE_LEVELS = [1, 3, 9]
const PROBE_LINES = 4000

/**
 * Names the library by what it does, for its version cannot be asked for: a digest of what it makes of a known text.
 */
export function nativeZstdName(native: NativeZstd): string {
  const text = Buffer.from(Array.from({ length: PROBE_LINES }, (_, i) => `${i} ${(i * i) % 977}\n`).join(''))
  const hash = createHash('sha256')
  for (const level of PROBE_LEVELS) {
    hash.update(
      native.zstdCompressSync(text, { params: { [native.constants.ZSTD_c_compressionLevel]: level } }),
    )
  }
  return `node-zstd-${hash.digest('hex').slice(0, 12)}`
}
