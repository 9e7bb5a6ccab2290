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

/** u32 length of the rest, the operation, the number of fields, then each field as u32 length, bytes, NUL. */
export function encodeRequest(request: Request): Buffer {
  const fields = request.fields.map((field) => (typeof field === 'string' ? Buffer.from(field) : field))
  const length = fields.reduce((sum, field) => sum + 5 + field.length, 3)
  const bytes = Buffer.alloc(4 + length)
  bytes.writeUInt32LE(length, 0)
  bytes.write(request.operation, 4, 'latin1')
  bytes.writeUInt16LE(fields.length, 5)
  let at = 7
  for (const field of fields) {
    bytes.writeUInt32LE(field.length, at)
    bytes.set(field, at + 4)
    at += 5 + field.length
  }
  return bytes
}

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
        value: Buffer.from(bytes.subarray(at + 8, at + 4 + length)),
      })
      at += 4 + length
    }
    rest = bytes.subarray(at)
    return answers
  }
}
