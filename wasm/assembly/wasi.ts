import { fd_write, proc_exit } from './wasi_snapshot_preview1'

const VECTOR: usize = memory.data(16, 8)
const ABORTED = 70

/** What the compiler calls for `abort(message)`: the message goes to stderr and the program ends, as WASI has it. */
export function wasiAbort(message: string | null, _file: string | null, _line: u32, _column: u32): void {
  const text = String.UTF8.encode(`ossb.wasm: ${message === null ? 'aborted' : message}\n`)
  store<u32>(VECTOR, <u32>changetype<usize>(text))
  store<u32>(VECTOR + 4, text.byteLength)
  fd_write(2, VECTOR, 1, VECTOR + 8)
  proc_exit(ABORTED)
}
