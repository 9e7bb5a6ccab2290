import { crc32 } from 'node:zlib'
import { type CompiledModule, instantiate, type WasmExports } from './wasm-module.ts'
import { compressZstdFrame } from './zstd-codec-library.ts'

/** A block starts on a multiple of its size and may refer to the bytes just before it. */
export const GZIP_BLOCK_SIZE: number = 1024 * 1024
export const DICTIONARY_SIZE: number = 32 * 1024
/** zstd-codec's heap of 16 MiB has no room for larger frames at higher levels. */
export const ZSTD_BLOCK_SIZE: number = 2 * 1024 * 1024

/** One block to compress. `input` holds the dictionary and right behind it the block. */
export type BlockTask =
  | {
      readonly type: 'deflate'
      readonly input: Uint8Array
      readonly dictionaryLength: number
      readonly level: number
      readonly final: boolean
    }
  | { readonly type: 'zstd'; readonly input: Uint8Array; readonly level: number }

/** A compressed block that owns its memory; `crc` is the CRC-32 of the block before compression (0 for zstd). */
export interface CompressedBlock {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly crc: number
}

/** Compresses one block at a time, in the thread that calls. The result depends on the task alone. */
export type BlockCompressor = (task: BlockTask) => Promise<CompressedBlock>

export function createBlockCompressor(module: CompiledModule): BlockCompressor {
  let wasm: WasmExports | undefined
  return async (task) => {
    if (task.type === 'zstd') return { bytes: await compressZstdFrame(task.input, task.level), crc: 0 }
    wasm ??= instantiate(module)
    return deflateBlock(wasm, task)
  }
}

function deflateBlock(wasm: WasmExports, task: BlockTask & { readonly type: 'deflate' }): CompressedBlock {
  const memory = new Uint8Array(wasm.memory.buffer)
  const input = wasm.in_ptr()
  const length = task.input.length - task.dictionaryLength
  memory.set(task.input, input)
  const size = wasm.deflate_block(task.dictionaryLength, length, task.level, task.final ? 1 : 0)
  if (size < 0)
    throw new RangeError(`deflate_block(${task.dictionaryLength}, ${length}, ${task.level}) = ${size}`)
  const output = wasm.out_ptr()
  return {
    bytes: memory.slice(output, output + size),
    // Node's own uses instructions that WebAssembly has not: four times as fast.
    crc: crc32(task.input.subarray(task.dictionaryLength)),
  }
}
