import { createHmac } from 'node:crypto'

interface SharedKey {
  readonly account: string
  /** Base64, as the portal shows it. */
  readonly key: string
  /** Milliseconds since the epoch. */
  readonly now: number
}

const VERSION = '2021-08-06'

/** The headers of a GET of a blob, with a signature by the key of its storage account ("Authorize with Shared Key"). */
export function blobHeaders(url: URL, { account, key, now }: SharedKey): Record<string, string> {
  const headers = { 'x-ms-date': new Date(now).toUTCString(), 'x-ms-version': VERSION }
  const text = [
    'GET',
    // Eleven headers that are not sent.
    ...Array.from({ length: 11 }, () => ''),
    ...Object.entries(headers).map(([name, value]) => `${name}:${value}`),
    `/${account}${url.pathname}`,
  ].join('\n')
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64')
  return { ...headers, authorization: `SharedKey ${account}:${signature}` }
}
