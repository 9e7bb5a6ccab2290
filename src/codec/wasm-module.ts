import { readFileSync } from 'node:fs'
import { ConsoleStdout, WASI } from '@bjorn3/browser_wasi_shim'
import { OssbError } from '../core/index.ts'

/** A compiled module: can be posted to worker threads, which then need not compile it. */
export type CompiledModule = object

/** What wasm/assembly/index.ts exports. Pointers are byte offsets into `memory`. */
export interface WasmExports {
  readonly memory: { readonly buffer: ArrayBuffer }
  abi_version(): number
  in_ptr(): number
  out_ptr(): number
  block_max(): number
  deflate_block(dictionaryLength: number, length: number, level: number, final: number): number
  fp_init(): number
  fp_update(length: number): number
  fp_final(length: number): number
}

// Neither the ES library nor @types/node 20 declares WebAssembly.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => CompiledModule
  readonly Instance: new (module: CompiledModule, imports: object) => { readonly exports: WasmExports }
}

const ABI_VERSION = 3
const MODULE_URL = new URL('../../wasm/build/ossb.wasm', import.meta.url)

let compiled: CompiledModule | undefined

/**
 * The module, compiled once in a process (15 KB: under a millisecond).
 * @throws OssbError ERR_OSSB_CODEC when the file is missing or no module
 */
export function compileModule(): CompiledModule {
  try {
    compiled ??= new WebAssembly.Module(readFileSync(MODULE_URL))
    return compiled
  } catch (error) {
    throw new OssbError(
      'ERR_OSSB_CODEC',
      `Cannot load the WASM module ${MODULE_URL.pathname}: ${String(error)}`,
      {
        cause: error,
        hint: 'The installation is incomplete; in a checkout, "npm run build:wasm" makes the file.',
      },
    )
  }
}

const SILENT = ConsoleStdout.lineBuffered(() => undefined)
// The module writes to stderr only when it aborts: the error then comes out of the call that it was in.
const ALARM = ConsoleStdout.lineBuffered((line) => {
  throw new OssbError('ERR_OSSB_INTERNAL', `Cannot go on: ${line}`)
})

/** A new instance with memory of its own (about 5 MiB), started as a WASI reactor. */
export function instantiate(module: CompiledModule): WasmExports {
  const wasi = new WASI([], [], [SILENT, SILENT, ALARM])
  const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: wasi.wasiImport })
  wasi.initialize(instance)
  const version = instance.exports.abi_version()
  if (version !== ABI_VERSION) {
    throw new OssbError(
      'ERR_OSSB_CODEC',
      `Cannot use the WASM module ${MODULE_URL.pathname}: its interface is version ${version}, needed is ${ABI_VERSION}`,
      { hint: 'The file is from another version of OSSB; in a checkout, "npm run build" renews it.' },
    )
  }
  return instance.exports
}
