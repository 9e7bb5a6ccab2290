import { Readable } from 'node:stream'
import {
  algorithmOf,
  createDigester,
  type Descriptor,
  type Digest,
  type Digester,
  OssbError,
} from '../core/index.ts'

/** On a stream that `verifiedStream` made: what it checks, and where its bytes come from. */
const CHECKED = Symbol('checked')

interface Checked {
  readonly digest: Digest
  readonly size: number
  readonly chunks: AsyncIterable<Uint8Array>
  /** Each chunk is good until the next one is asked for. */
  readonly reusesChunks: boolean
}

/** Chunks that are good until the next one is asked for: of a source that makes them so, and for one who needs no more. */
interface ChunkReuse {
  readonly reusesChunks?: boolean
}

/**
 * Passes bytes on and ends with an error unless they were exactly what the descriptor says; a consumer must not
 * trust what it got before the end, which comes only when all is found right: the last bytes are held back until
 * then. Stops as soon as there is one byte too many. What a `verifiedStream` checks is not checked again.
 * @throws OssbError ERR_OSSB_INTEGRITY that names both digests or sizes
 */
export function verified(
  chunks: AsyncIterable<Uint8Array>,
  expected: Descriptor,
  from: string,
  reuse: ChunkReuse = {},
): AsyncIterable<Uint8Array> {
  return checkedChunks(chunks, expected, reuse) ?? verify(chunks, expected, from)
}

/** The bytes of a `verifiedStream` for the same content; undefined for any other. */
export function checkedChunks(
  stream: AsyncIterable<Uint8Array>,
  expected: Descriptor,
  { reusesChunks = false }: ChunkReuse = {},
): AsyncIterable<Uint8Array> | undefined {
  const known = (stream as { readonly [CHECKED]?: Checked })[CHECKED]
  if (known?.digest !== expected.digest || known.size !== expected.size) return undefined
  return known.reusesChunks && !reusesChunks ? copied(known.chunks) : known.chunks
}

async function* copied(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) yield Buffer.from(chunk)
}

/** The same as a stream. Whoever passes it to `verified` reads past the stream, at less cost. */
export function verifiedStream(
  chunks: AsyncIterable<Uint8Array>,
  expected: Descriptor,
  from: string,
  { reusesChunks = false }: ChunkReuse = {},
): Readable {
  return checkedStream(verified(chunks, expected, from), expected, reusesChunks)
}

/** What `through` makes of a stream, with the same bytes: where they were checked they still are. */
export function passedThrough(
  stream: Readable,
  expected: Descriptor,
  through: (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
): Readable {
  const checked = checkedChunks(stream, expected)
  return checked === undefined
    ? Readable.from(through(stream), { objectMode: false })
    : checkedStream(through(checked), expected)
}

function checkedStream(
  checked: AsyncIterable<Uint8Array>,
  { digest, size }: Descriptor,
  reusesChunks = false,
): Readable {
  const mark: Checked = { digest, size, chunks: checked, reusesChunks }
  const stream = Readable.from(reusesChunks ? copied(checked) : checked, { objectMode: false })
  return Object.assign(stream, { [CHECKED]: mark })
}

async function* verify(
  chunks: AsyncIterable<Uint8Array>,
  expected: Descriptor,
  from: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const digester = createDigester(algorithmOf(expected.digest))
  let size = 0
  for await (const chunk of chunks) {
    if (chunk.length === 0) continue
    size += chunk.length
    if (size > expected.size)
      throw mismatch(expected, from, `it has more than the ${expected.size} bytes that its descriptor states`)
    digester.update(chunk)
    if (size === expected.size) assertDigest(digester, expected, from)
    yield chunk
  }
  if (size !== expected.size)
    throw mismatch(
      expected,
      from,
      `it has ${size} bytes and not the ${expected.size} that its descriptor states`,
    )
  if (size === 0) assertDigest(digester, expected, from)
}

function assertDigest(digester: Digester, expected: Descriptor, from: string): void {
  const digest = digester.digest()
  if (digest !== expected.digest) throw mismatch(expected, from, `its digest is ${digest}`)
}

function mismatch(expected: Descriptor, from: string, why: string): OssbError {
  return new OssbError('ERR_OSSB_INTEGRITY', `Cannot use ${expected.digest} from ${from}: ${why}`, {
    hint: 'The content was damaged or replaced on its way, by a proxy, a mirror or the disk. Nothing of it was kept.',
  })
}

/** All bytes of a stream, in one piece. @throws OssbError ERR_OSSB_INTEGRITY above `limit` bytes */
export async function readAll(
  chunks: AsyncIterable<Uint8Array>,
  limit: number,
  what: string,
): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    if (size > limit)
      throw new OssbError('ERR_OSSB_INTEGRITY', `Cannot read ${what}: it has more than ${limit} bytes`)
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}
