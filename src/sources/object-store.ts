import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { blobHeaders, type CloudContext, findAwsKeys, googleToken, signed } from '../cloud/index.ts'
import { type Job, OssbError } from '../core/index.ts'
import { retry, systemClock, writeStreamAtomic } from '../io/index.ts'
import type { HttpAnswer } from './http.ts'
import type { SourceServices } from './services.ts'

const AZURE =
  /^(?<account>[a-z0-9]+)\.blob\.core\.(?:windows\.net|chinacloudapi\.cn|cloudapi\.de|usgovcloudapi\.net)$/
const ATTEMPTS = 4
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** `s3://BUCKET/KEY` or `gs://BUCKET/KEY`. */
export function isObjectUrl(text: string): boolean {
  return /^(?:s3|gs):\/\//.test(text)
}

/** Whether a URL is that of a blob of Azure which the key of its storage account opens. */
export function isSharedBlob(url: string, { environment }: Pick<SourceServices, 'environment'>): boolean {
  return AZURE.test(new URL(url).hostname) && (environment['AZURE_STORAGE_ACCESS_KEY'] ?? '') !== ''
}

/**
 * Brings an object of S3, Google Cloud Storage or Azure to a file, with the credentials that their own tools find; one
 * that everybody may read needs none.
 * @throws OssbError ERR_OSSB_NOT_FOUND, ERR_OSSB_UNAUTHORIZED or ERR_OSSB_NETWORK
 */
export async function fetchObject(url: string, services: SourceServices, job: Job): Promise<string> {
  const path = join(services.directory(), 'object')
  const action = async () => {
    const answer = await askFor(url, services, job)
    await writeStreamAtomic(path, answer.body, (temporary) => renameSync(temporary, path), job)
  }
  await retry(
    action,
    {
      clock: systemClock,
      attempts: ATTEMPTS,
      baseMs: 500,
      maxMs: 10_000,
      advise: (error) => (error instanceof OssbError && error.code !== 'ERR_OSSB_NETWORK' ? undefined : {}),
    },
    job.signal,
  )
  return path
}

async function askFor(url: string, services: SourceServices, job: Job): Promise<HttpAnswer> {
  const send = async (request: ObjectRequest) => {
    const target = new URL(request.url)
    return await services.http
      .send({ method: 'GET', url: target, headers: request.headers ?? {}, signal: job.signal })
      .catch((error: unknown) => {
        job.signal.throwIfAborted()
        if (error instanceof OssbError) throw error
        const reason = error instanceof Error ? error.message : String(error)
        throw new OssbError('ERR_OSSB_NETWORK', `Cannot fetch "${url}": ${reason}`, { cause: error })
      })
  }
  const answer = await send(await requestFor(url, undefined, services, job.signal))
  if (answer.status === 200) return answer
  await answer.discard()
  // S3 knows where a bucket is when we do not.
  const [region] = answer.headers('x-amz-bucket-region')
  if (url.startsWith('s3://') && region !== undefined && [301, 307, 400, 403].includes(answer.status)) {
    const again = await send(await requestFor(url, region, services, job.signal))
    if (again.status === 200) return again
    await again.discard()
    throw refused(url, again.status)
  }
  throw refused(url, answer.status)
}

function refused(url: string, status: number): OssbError {
  const message = `Cannot fetch "${url}": the server answers ${status}`
  if (status === 404) return new OssbError('ERR_OSSB_NOT_FOUND', message)
  if (status !== 401 && status !== 403) return new OssbError('ERR_OSSB_NETWORK', message)
  const hint = url.startsWith('s3://')
    ? 'Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the role of the machine.'
    : url.startsWith('gs://')
      ? 'Credentials come from GOOGLE_APPLICATION_CREDENTIALS, gcloud, or the service account of the machine.'
      : 'The key of the storage account comes from AZURE_STORAGE_ACCESS_KEY.'
  return new OssbError('ERR_OSSB_UNAUTHORIZED', message, { hint })
}

interface ObjectRequest {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
}

async function requestFor(
  text: string,
  region: string | undefined,
  { environment, ask }: SourceServices,
  signal: AbortSignal,
): Promise<ObjectRequest> {
  const context: CloudContext = { environment, ask, now: Date.now }
  const [, scheme, bucket = '', key = ''] = /^(s3|gs):\/\/([^/]+)\/(.+)$/s.exec(text) ?? []
  if (scheme === 's3') return await s3Request({ bucket, key, region }, context, signal)
  if (scheme === 'gs') return await googleRequest({ bucket, key }, context, signal)
  const url = new URL(text)
  const account = AZURE.exec(url.hostname)?.groups?.['account']
  if (account === undefined)
    throw new OssbError('ERR_OSSB_CONTEXT', `Cannot use "${text}": write ${scheme ?? 's3'}://BUCKET/KEY`)
  const shared = environment['AZURE_STORAGE_ACCESS_KEY'] ?? ''
  return { url: text, headers: blobHeaders(url, { account, key: shared, now: context.now() }) }
}

interface StoredObject {
  readonly bucket: string
  readonly key: string
  /** Of the bucket, where that is known. */
  readonly region?: string | undefined
}

/** Each part of a key as RFC 3986 has it: AWS signs that form. */
function encodedKey(key: string): string {
  const encode = (part: string) =>
    encodeURIComponent(part).replace(
      /[!'()*]/g,
      (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
    )
  return key.split('/').map(encode).join('/')
}

/** GetObject. S3_ENDPOINT is another server that speaks S3, and S3_FORCE_PATH_STYLE one without a name for each bucket. */
async function s3Request(
  { bucket, key, region: known }: StoredObject,
  context: CloudContext,
  signal: AbortSignal,
): Promise<ObjectRequest> {
  const { environment } = context
  const region = known ?? (environment['AWS_REGION'] || environment['AWS_DEFAULT_REGION'] || 'us-east-1')
  const endpoint = environment['S3_ENDPOINT'] || environment['AWS_ENDPOINT_URL_S3']
  const server = new URL(endpoint || `https://s3.${region}.amazonaws.com`)
  const isPath = environment['S3_FORCE_PATH_STYLE'] === 'true' || bucket.includes('.')
  const host = isPath ? server.host : `${bucket}.${server.host}`
  const path = `${isPath ? `/${bucket}` : ''}/${encodedKey(key)}`
  const url = `${server.protocol}//${host}${path}`
  const keys = await findAwsKeys(context, region, signal)
  if (keys === undefined) return { url }
  const request = { method: 'GET' as const, url, headers: { 'x-amz-content-sha256': EMPTY_SHA256 } }
  return signed(request, keys, { service: 's3', region, now: context.now() })
}

/** Objects: get, of the JSON interface. STORAGE_EMULATOR_HOST is another server that speaks it. */
async function googleRequest(
  { bucket, key }: StoredObject,
  context: CloudContext,
  signal: AbortSignal,
): Promise<ObjectRequest> {
  const server = context.environment['STORAGE_EMULATOR_HOST'] || 'https://storage.googleapis.com'
  const base = /^https?:\/\//.test(server) ? server : `http://${server}`
  const url = `${base}/storage/v1/b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(key)}?alt=media`
  const token = await googleToken(context, signal)
  return token === undefined ? { url } : { url, headers: { authorization: `Bearer ${token}` } }
}
