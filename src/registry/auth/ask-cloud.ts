import { readAll } from '../../io/index.ts'
import type { ReachOptions } from '../http/reach.ts'
import type { TrustOptions } from '../http/own-certificates.ts'
import { createTransport } from '../http/transport.ts'
import type { Ask } from '../../cloud/index.ts'

/** A machine outside of a cloud must not wait long for what only the machines inside can reach. */
const ANSWER_MS = 10_000
const METADATA_MS = 2_000
const LARGEST_ANSWER = 1024 * 1024

/** Asks clouds over HTTP. Every host that may not be connected to is refused, as for registries. */
export function askCloud(options: TrustOptions & ReachOptions): Ask {
  return async ({ method, url, headers = {}, body }, signal) => {
    await using http = createTransport({ ...options, insecureRegistries: [], stallMs: ANSWER_MS })
    const limit = AbortSignal.timeout(url.startsWith('http://') ? METADATA_MS : ANSWER_MS)
    const response = await http.send({
      method,
      url: new URL(url),
      headers,
      signal: AbortSignal.any([signal, limit]),
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
    })
    const bytes = await readAll(response.body, LARGEST_ANSWER, `the answer of ${new URL(url).host}`)
    return { status: response.status, text: bytes.toString('utf8') }
  }
}
