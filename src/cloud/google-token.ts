import { createSign } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { OssbError } from '../core/index.ts'
import { askMetadata, type CloudContext, membersOf, textOf } from './ask.ts'

const TOKENS = 'https://oauth2.googleapis.com/token'
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'

/**
 * An OAuth 2 access token of Google Cloud by Application Default Credentials: the file in
 * GOOGLE_APPLICATION_CREDENTIALS, that of gcloud, or the metadata server (RFC 7523 for a service account).
 * @throws OssbError where there are credentials, and they are refused
 */
export async function googleToken(context: CloudContext, signal: AbortSignal): Promise<string | undefined> {
  return (await fromFile(context, signal)) ?? (await fromMetadata(context, signal))
}

async function fromFile(context: CloudContext, signal: AbortSignal): Promise<string | undefined> {
  const path = fileOf(context)
  if (path === undefined) return undefined
  const key = membersOf(readFileSync(path, 'utf8'))
  const grant = grantOf(key, context.now())
  if (grant === undefined)
    throw new OssbError(
      'ERR_OSSB_USAGE',
      `Cannot use the credentials in "${path}": "${textOf(key, 'type') ?? ''}" is not a type that is known`,
      { hint: 'Known are service_account and authorized_user.' },
    )
  const { status, text } = await context.ask(
    {
      method: 'POST',
      url: textOf(key, 'token_uri') ?? TOKENS,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(grant).toString(),
    },
    signal,
  )
  const token = textOf(membersOf(text), 'access_token')
  if (status === 200 && token !== undefined) return token
  const reason = textOf(membersOf(text), 'error_description') ?? textOf(membersOf(text), 'error')
  throw new OssbError(
    'ERR_OSSB_UNAUTHORIZED',
    `Cannot get a token with the credentials in "${path}": ${status}${reason === undefined ? '' : ` ${reason}`}`,
  )
}

function fileOf({ environment }: CloudContext): string | undefined {
  const named = environment['GOOGLE_APPLICATION_CREDENTIALS']
  if (named) return named
  const directory =
    environment['CLOUDSDK_CONFIG'] ??
    (environment['HOME'] === undefined ? undefined : join(environment['HOME'], '.config/gcloud'))
  const own = directory === undefined ? undefined : join(directory, 'application_default_credentials.json')
  return own !== undefined && existsSync(own) ? own : undefined
}

function grantOf(key: Readonly<Record<string, unknown>>, now: number): Record<string, string> | undefined {
  if (textOf(key, 'type') === 'authorized_user')
    return {
      grant_type: 'refresh_token',
      client_id: textOf(key, 'client_id') ?? '',
      client_secret: textOf(key, 'client_secret') ?? '',
      refresh_token: textOf(key, 'refresh_token') ?? '',
    }
  if (textOf(key, 'type') !== 'service_account') return undefined
  return { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: assertionOf(key, now) }
}

/** What a service account says of itself, signed with its key: good for an hour. */
function assertionOf(key: Readonly<Record<string, unknown>>, now: number): string {
  const issued = Math.floor(now / 1000)
  const header = { alg: 'RS256', typ: 'JWT', kid: textOf(key, 'private_key_id') }
  const claims = {
    iss: textOf(key, 'client_email'),
    scope: SCOPE,
    aud: textOf(key, 'token_uri') ?? TOKENS,
    iat: issued,
    exp: issued + 3600,
  }
  const signed = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const signature = createSign('RSA-SHA256')
    .update(signed)
    .sign(textOf(key, 'private_key') ?? '')
  return `${signed}.${signature.toString('base64url')}`
}

async function fromMetadata(context: CloudContext, signal: AbortSignal): Promise<string | undefined> {
  const host = context.environment['GCE_METADATA_HOST'] || 'metadata.google.internal'
  const text = await askMetadata(
    {
      method: 'GET',
      url: `http://${host}/computeMetadata/v1/instance/service-accounts/default/token`,
      headers: { 'metadata-flavor': 'Google' },
    },
    context,
    signal,
  )
  return text === undefined ? undefined : textOf(membersOf(text), 'access_token')
}
