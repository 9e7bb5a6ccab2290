import { parseCsvLine } from './csv.ts'
import { dockerfileError } from './dockerfile-error.ts'

/** One RUN --mount as written: fields in order, values not yet expanded. */
export interface MountFields {
  readonly fields: readonly MountField[]
  /** The stage, image or context that `from` names; never a variable. */
  readonly from?: string
}

export interface MountField {
  /** In lower case. */
  readonly key: string
  /** Absent for a bare key such as `ro`. */
  readonly value?: string
  /** As written. */
  readonly text: string
}

const BARE_KEYS = ['readonly', 'ro', 'readwrite', 'rw', 'required']

/** @throws OssbError without a place */
export function parseMountFields(text: string): MountFields {
  const fields = parseCsvLine(text).map(parseField)
  const from = fields.find((field) => field.key === 'from')?.value
  if (from !== undefined && /\$./.test(from))
    throw dockerfileError("'from' doesn't support variable expansion, define alias stage instead")
  return { fields, ...(from === undefined ? {} : { from }) }
}

function parseField(text: string): MountField {
  const equals = text.indexOf('=')
  const key = (equals === -1 ? text : text.slice(0, equals)).toLowerCase()
  if (equals !== -1) return { key, value: text.slice(equals + 1), text }
  if (!BARE_KEYS.includes(key)) {
    throw dockerfileError(`invalid field '${text}' must be a key=value pair`, {
      hint: `Without a value there are only ${BARE_KEYS.join(', ')}.`,
    })
  }
  return { key, text }
}
