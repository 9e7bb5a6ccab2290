import { type Descriptor, formatBytes, OssbError } from '../core/index.ts'

export interface ExpansionLimits {
  /** How many times larger than it came a layer may become… */
  readonly ratio: number
  /** …once it has this many bytes; files full of zeros are common, and small. */
  readonly freeBytes: number
}

const LIMITS: ExpansionLimits = { ratio: 1000, freeBytes: 4 * 1024 ** 3 }

/**
 * Passes on what a layer becomes, and ends when that is out of all proportion: gzip makes 1 MiB out of 1 KiB, zstd more,
 * and such a layer is there to fill a disk.
 * @throws OssbError ERR_OSSB_LAYER_INVALID
 */
export async function* limitExpansion(
  chunks: AsyncIterable<Uint8Array>,
  packed: Descriptor,
  { ratio, freeBytes }: ExpansionLimits = LIMITS,
): AsyncGenerator<Uint8Array, void, undefined> {
  const most = Math.max(freeBytes, packed.size * ratio)
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    if (size > most)
      throw new OssbError(
        'ERR_OSSB_LAYER_INVALID',
        `Cannot unpack layer ${packed.digest}: its ${formatBytes(packed.size)} become more than ${formatBytes(most)}`,
        { hint: 'Data that grows like this is made to fill a disk. Check where the image comes from.' },
      )
    yield chunk
  }
}
