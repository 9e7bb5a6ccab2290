import { type Descriptor, OssbError } from '../core/index.ts'
import { decodedBody } from './http/content-encoding.ts'
import type { HttpResponse } from './http/transport.ts'

/** An answer with the content of a blob, or with the end of it. */
export interface Answer {
  readonly response: HttpResponse
  readonly chunks: AsyncIterable<Uint8Array>
  /** How many bytes at its start we have already. */
  readonly skip: number
}

/** Asks for a blob from this byte on. */
export type Asker = (from: number) => Promise<Answer>

/** Sends a GET, and throws for other statuses than those expected. */
export type Get = (request: {
  readonly headers: Readonly<Record<string, string>>
  readonly expect: readonly number[]
}) => Promise<HttpResponse>

/**
 * Asks by a range where the beginning is there already. A server that does not do ranges sends everything again; one
 * that answers them wrongly is asked for everything once, and no more.
 */
export function createAsker(blob: Descriptor, get: Get): Asker {
  let wrongRanges = 0
  let usesRanges = true

  const whole = (response: HttpResponse, from: number): Answer => {
    const { chunks, isDecoded } = decodedBody(response, blob.size)
    const length = response.headers('content-length')[0]
    if (isDecoded) usesRanges = false
    else if (length !== undefined && Number(length) !== blob.size) {
      response.body.destroy()
      throw wrongSize(blob, response, length)
    }
    return { response, chunks, skip: from }
  }

  return async (from) => {
    if (from > 0 && usesRanges) {
      // Some registries understand the closed form of a range only.
      const range = { range: `bytes=${from}-${blob.size - 1}` }
      const response = await get({ headers: range, expect: [200, 206, 416] })
      if (response.status === 200) return whole(response, from)
      if (response.status === 206 && startsAt(response, from, blob.size))
        return { response, chunks: response.body, skip: 0 }
      response.body.destroy()
      wrongRanges += 1
      if (wrongRanges > 1) throw wrongRange(blob, response, from)
    }
    return whole(await get({ headers: {}, expect: [200] }), from)
  }
}

function startsAt(response: HttpResponse, from: number, size: number): boolean {
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers('content-range')[0] ?? '')
  return range !== null && Number(range[1]) === from && (range[3] === '*' || Number(range[3]) === size)
}

function wrongSize(blob: Descriptor, { url }: HttpResponse, length: string): OssbError {
  return new OssbError(
    'ERR_OSSB_INTEGRITY',
    `Cannot use ${blob.digest} from ${url.host}: it has ${length} bytes and not the ${blob.size} that its descriptor states`,
    {
      hint: 'The content was damaged or replaced, by the registry, a proxy or a mirror. Nothing of it was kept.',
    },
  )
}

function wrongRange(blob: Descriptor, response: HttpResponse, from: number): OssbError {
  const said = response.headers('content-range')[0] ?? 'no Content-Range'
  return new OssbError(
    'ERR_OSSB_REGISTRY',
    `Cannot go on with ${blob.digest} at byte ${from} of ${blob.size}: ${response.url.host} answers ${response.status} with ${said.slice(0, 100)}`,
    {
      hint: 'The connection broke, and the server does not answer a request for the rest as it should. Try again.',
    },
  )
}
