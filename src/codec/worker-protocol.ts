import type { BlockTask, CompressedBlock } from './block.ts'
import type { CompiledModule } from './wasm-module.ts'

/** Handed to a worker when it starts. */
export interface WorkerStart {
  readonly module: CompiledModule
}

/** What a worker is asked. Each request gets one response with the same `id`. */
export type WorkerRequest = { readonly id: number } & (
  | { readonly type: 'compress'; readonly task: BlockTask }
  | { readonly type: 'zstd-open' }
  | { readonly type: 'zstd-decode'; readonly piece: Uint8Array }
  | { readonly type: 'zstd-close' }
)

/** What a worker answers. Bytes are transferred, not copied. */
export type WorkerResponse = { readonly id: number } & (
  | { readonly type: 'compressed'; readonly block: CompressedBlock }
  | { readonly type: 'decoded'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly message: string }
)
