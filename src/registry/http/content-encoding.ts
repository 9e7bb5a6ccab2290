import { createGunzip } from 'node:zlib'
import { OssbError } from '../../core/index.ts'
import type { HttpResponse } from './transport.ts'

/** The content of an answer. */
interface DecodedBody {
  readonly chunks: AsyncIterable<Uint8Array>
  /** Whether its bytes are not those that were sent, so that their places mean nothing to the server. */
  readonly isDecoded: boolean
}

/**
 * Undoes an encoding that a server or a proxy added though `identity` was asked for. Storage often has a blob that is
 * gzip itself marked as encoded: as long as what is expected, it is taken as it is.
 * @throws OssbError ERR_OSSB_REGISTRY for an encoding other than gzip
 */
export function decodedBody(response: HttpResponse, expectedBytes?: number): DecodedBody {
  const encoding = (response.headers('content-encoding')[0] ?? '').trim().toLowerCase()
  const length = response.headers('content-length')[0]
  const asItIs = encoding === '' || encoding === 'identity' || Number(length) === expectedBytes
  if (asItIs || response.status === 206) return { chunks: response.body, isDecoded: false }
  if (encoding === 'gzip' || encoding === 'x-gzip')
    return { chunks: gunzipped(response.body), isDecoded: true }
  response.body.destroy()
  throw new OssbError(
    'ERR_OSSB_REGISTRY',
    `Cannot read what ${response.url.host} sends: it is encoded as "${encoding.slice(0, 40)}", and no encoding was asked for`,
    { hint: 'A proxy or a content delivery network in front of the registry is not set up for images.' },
  )
}

async function* gunzipped(body: HttpResponse['body']): AsyncGenerator<Uint8Array, void, undefined> {
  const gunzip = createGunzip()
  body.once('error', (error) => gunzip.destroy(error))
  try {
    yield* body.pipe(gunzip)
  } finally {
    body.destroy()
    gunzip.destroy()
  }
}
