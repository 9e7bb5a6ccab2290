import { OssbError } from '../../core/index.ts'
import type { HttpResponse } from '../http/transport.ts'

/** An upload that a registry has opened for one blob. */
export interface OpenUpload {
  readonly location: URL
  /** The least that a chunk may have, but for the last one; 0 where the registry does not mind. */
  readonly minChunk: number
}

export function openedUpload(response: Pick<HttpResponse, 'url' | 'headers'>): OpenUpload {
  const least = response.headers('oci-chunk-min-length')[0] ?? ''
  return {
    location: resolveUploadUrl(response),
    minChunk: /^\d{1,12}$/.test(least) ? Number(least) : 0,
  }
}

/**
 * Where an upload goes on, by the Location header: a whole URL, a path, or a URL without its scheme. Its query is
 * kept as it is. A registry behind a proxy that ends TLS often says http where it means https.
 * @throws OssbError ERR_OSSB_REGISTRY when there is none, or when it leads from https to another host's http
 */
export function resolveUploadUrl(response: Pick<HttpResponse, 'url' | 'headers'>): URL {
  const base = response.url
  const location = response.headers('location')[0]
  const refuse = (why: string) =>
    new OssbError('ERR_OSSB_REGISTRY', `Cannot push to "${base.host}": ${why}`, {
      hint: 'The registry, or a proxy in front of it, is not set up as the distribution specification asks.',
    })
  if (location === undefined || location === '')
    throw refuse('it opened an upload and did not say where (no Location header)')
  const text = /^[A-Za-z0-9.-]+(:\d+)?\/v2\//.test(location) ? `//${location}` : location
  if (!URL.canParse(text, base.href))
    throw refuse(`it opened an upload at "${location.slice(0, 200)}", which is not a URL`)
  const url = new URL(text, base)
  if (base.protocol === 'https:' && url.protocol === 'http:') {
    if (url.hostname !== base.hostname) throw refuse(`it sends us from https to "${url.origin}"`)
    return new URL(`https://${base.host}${url.pathname}${url.search}`)
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refuse(`it sends us to "${url.protocol}"`)
  return url
}
