import { OssbError } from '../core/index.ts'

/** Sound data that this program cannot decompress, as opposed to data that is none: ERR_OSSB_CODEC all the same. */
export class UnsupportedDataError extends OssbError {
  constructor(message: string, options: { readonly hint: string; readonly cause?: unknown }) {
    super('ERR_OSSB_CODEC', message, options)
  }
}
