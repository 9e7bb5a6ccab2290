import { availableParallelism } from 'node:os'
import { type BlockCompressor, createBlockCompressor } from './block.ts'
import { bunzip2 } from './bunzip2.ts'
import { ByteReader } from './byte-reader.ts'
import { canStartWorkers } from './codec-worker.ts'
import type { RunTask } from './compress-blocks.ts'
import { encoderLevel, zstdLevel } from './compression-level.ts'
import { gunzip } from './gunzip.ts'
import { gzip } from './gzip-compress.ts'
import { findNativeZstd, nativeZstdName } from './native-zstd.ts'
import { unxz } from './unxz.ts'
import { compileModule } from './wasm-module.ts'
import { openWorkerDecoder } from './worker-decoder.ts'
import { WorkerPool } from './worker-pool.ts'
import { openZstdDecoder, type ZstdDecoder } from './zstd-codec-library.ts'
import { zstd } from './zstd-compress.ts'
import { unzstd } from './zstd-decompress.ts'

/** How a layer's bytes are stored. Levels: gzip 1 to 9 (6), zstd 1 to 22 (3). */
export type Compression =
  | { readonly type: 'gzip'; readonly level?: number }
  | { readonly type: 'zstd'; readonly level?: number }
  | { readonly type: 'uncompressed' }

/**
 * Compresses and decompresses streams in bounded memory: a fixed number of blocks for each stream, however slow its
 * consumer. Chunks that are given out are the consumer's own; chunks that are taken in may be reused once the next
 * one is asked for.
 */
export interface Codec extends AsyncDisposable {
  /** Names the implementation: where it is equal, equal input and compression give equal bytes. */
  readonly id: string
  /** The bytes depend on the input's bytes and the compression alone. @throws OssbError ERR_OSSB_USAGE for a level out of range */
  compress(chunks: AsyncIterable<Uint8Array>, compression: Compression): AsyncIterable<Uint8Array>
  /**
   * Decides by the first bytes: gzip, bzip2, xz, zstd, or as it is. Truncated, corrupt and trailing data is an OssbError
   * ERR_OSSB_CODEC; the source's own errors come through as they are.
   */
  decompress(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
}

export interface CodecOptions {
  /** Threads that compress; 0 compresses in the calling thread. By default one a processor, at most 8. */
  readonly workers?: number
}

/** Of the DEFLATE encoder in wasm/: to be raised with every change of its bytes. */
const DEFLATE_VERSION = 2
const ZSTD_CODEC_VERSION = '0.1.5'
const WORKERS_MAX = 8
/** How much of a file tells what it is. */
const MAGIC_BYTES = 10

/** Below this, a layer is done before a worker thread has started. */
const SMALL_LAYER = 512 * 1024

/** Worker threads are started by the first layer that is worth it, and do not keep the process alive. */
export function createCodec(options: CodecOptions = {}): Codec {
  const wanted = options.workers ?? Math.min(availableParallelism(), WORKERS_MAX)
  return new BlockCodec(canStartWorkers ? wanted : 0)
}

class BlockCodec implements Codec {
  readonly #pool: WorkerPool | undefined
  readonly #inFlight: number
  #inThread: BlockCompressor | undefined
  #id: string | undefined

  constructor(workers: number) {
    this.#pool = workers === 0 ? undefined : new WorkerPool(workers, compileModule())
    this.#inFlight = 2 * workers + 1
  }

  get id(): string {
    this.#id ??= codecId()
    return this.#id
  }

  compress(chunks: AsyncIterable<Uint8Array>, compression: Compression): AsyncIterable<Uint8Array> {
    const common = { inFlight: this.#inFlight, run: this.#run }
    switch (compression.type) {
      case 'gzip':
        return gzip(chunks, { ...common, level: encoderLevel(compression.level) })
      case 'zstd':
        return zstd(chunks, { ...common, level: zstdLevel(compression.level) })
      case 'uncompressed':
        return chunks
      default:
        return compression satisfies never
    }
  }

  decompress(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    return decompress(chunks, this.#openDecoder)
  }

  readonly #run: RunTask = async (task, signal) => {
    const isSmall =
      task.type === 'deflate' && task.final && task.dictionaryLength === 0 && task.input.length < SMALL_LAYER
    if (this.#pool !== undefined && !isSmall) return this.#pool.run(task, signal)
    this.#inThread ??= createBlockCompressor(compileModule())
    return this.#inThread(task)
  }

  readonly #openDecoder = async (): Promise<ZstdDecoder> => {
    return this.#pool === undefined ? openZstdDecoder() : openWorkerDecoder(this.#pool.openWorker())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool?.[Symbol.asyncDispose]()
  }
}

async function* decompress(
  chunks: AsyncIterable<Uint8Array>,
  openDecoder: () => Promise<ZstdDecoder>,
): AsyncGenerator<Uint8Array, void, undefined> {
  await using reader = new ByteReader(chunks)
  const head = await reader.read(MAGIC_BYTES)
  const whole = reader.rest(head)
  if (isGzip(head)) yield* gunzip(whole)
  else if (isZstd(head)) yield* unzstd(whole, openDecoder)
  else if (isBzip2(head)) yield* bunzip2(whole)
  else if (isXz(head)) yield* unxz(whole)
  else yield* whole
}

function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b
}

/** A header that says "BZh" and a digit may be the start of a text as well: a block or the end follows in a real one. */
function isBzip2(head: Uint8Array): boolean {
  return /^BZh[1-9](?:1AY&SY|\x17rE8P\x90)$/.test(Buffer.from(head).toString('latin1'))
}

function isXz(head: Uint8Array): boolean {
  return Buffer.from(head).toString('latin1', 0, 6) === '\xfd7zXZ\0'
}

function isZstd(head: Uint8Array): boolean {
  if (head.length < 4) return false
  const magic = Buffer.from(head).readUInt32LE()
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50
}

function codecId(): string {
  const native = findNativeZstd()
  const zstdName = native === undefined ? `zstd-codec-${ZSTD_CODEC_VERSION}` : nativeZstdName(native)
  return `ossb-deflate-${DEFLATE_VERSION}+${zstdName}`
}
