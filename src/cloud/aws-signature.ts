import { createHash, createHmac } from 'node:crypto'
import type { CloudRequest } from './ask.ts'

export interface AwsKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

interface Scope {
  readonly service: string
  readonly region: string
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** The request with a signature of AWS (Signature Version 4): over its headers and its body. */
export function signed(
  request: CloudRequest,
  { accessKeyId, secretAccessKey, sessionToken }: AwsKeys,
  { service, region, now }: Scope,
): CloudRequest {
  const url = new URL(request.url)
  const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = [time.slice(0, 8), region, service, 'aws4_request'].join('/')
  const headers: Record<string, string> = {
    ...request.headers,
    host: url.host,
    'x-amz-date': time,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
  }
  const names = Object.keys(headers).sort()
  const canonical = [
    request.method,
    url.pathname,
    url.searchParams.toString(),
    ...names.map((name) => `${name}:${(headers[name] ?? '').trim()}`),
    '',
    names.join(';'),
    sha256(request.body ?? ''),
  ].join('\n')
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`)
  const signature = hmac(key, text).toString('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  const { host: _host, ...sent } = headers
  return { ...request, headers: { ...sent, authorization } }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
