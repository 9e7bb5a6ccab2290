/** A request to the helper's `fsop`, as c/fsop.c describes it. */
export interface Request {
  readonly operation: string
  readonly fields: readonly (string | Uint8Array)[]
}

/** `errno` 0 is success, with the value; else the value is the step that failed. */
export interface Answer {
  readonly errno: number
  readonly value: Buffer
}

/** Each: u32 length of the rest, the operation, the number of fields, then each field as u32 length, bytes, NUL. */
export function encodeRequests(requests: readonly Request[]): Buffer {
  const bytes = Buffer.allocUnsafe(requests.reduce((sum, request) => sum + mostBytes(request), 0))
  let at = 0
  for (const request of requests) {
    const start = at
    bytes[start + 4] = request.operation.charCodeAt(0)
    bytes.writeUInt16LE(request.fields.length, start + 5)
    at += 7
    for (const field of request.fields) {
      const length = typeof field === 'string' ? bytes.write(field, at + 4) : field.length
      if (typeof field !== 'string') bytes.set(field, at + 4)
      bytes.writeUInt32LE(length, at)
      at += 4 + length
      bytes[at] = 0
      at += 1
    }
    bytes.writeUInt32LE(at - start - 4, start)
  }
  return bytes.subarray(0, at)
}

/** Room for a request; a character of a string takes up to three bytes of UTF-8. */
function mostBytes({ fields }: Request): number {
  return fields.reduce((sum, field) => sum + 5 + field.length * (typeof field === 'string' ? 3 : 1), 7)
}

const NO_VALUE = Buffer.alloc(0)

/** Gives the whole answers in what has come so far, and keeps the beginning of the next one. */
export function createAnswerReader(): (chunk: Buffer) => readonly Answer[] {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const answers: Answer[] = []
    let at = 0
    while (bytes.length - at >= 4) {
      const length = bytes.readUInt32LE(at)
      if (bytes.length - at < 4 + length) break
      answers.push({
        errno: bytes.readInt32LE(at + 4),
        value: length === 4 ? NO_VALUE : Buffer.from(bytes.subarray(at + 8, at + 4 + length)),
      })
      at += 4 + length
    }
    rest = bytes.subarray(at)
    return answers
  }
}
