import { readFileSync } from 'node:fs'
import { OssbError } from '../../../../core/index.ts'
import type { Credential, CredentialSource } from '../credential.ts'
import { askMetadata, type CloudContext, membersOf, textOf } from '../../../../cloud/index.ts'

/** By the whole name: a token must not go to who has only a name that looks like it. */
const REGISTRY = /^[a-z0-9-]+\.azurecr\.(?<cloud>io|cn|de|us)$/

interface Cloud {
  readonly authority: string
  /** What a token is for. */
  readonly resource: string
}

const CLOUDS: Readonly<Record<string, Cloud>> = {
  io: { authority: 'https://login.microsoftonline.com', resource: 'https://management.azure.com/' },
  cn: { authority: 'https://login.chinacloudapi.cn', resource: 'https://management.chinacloudapi.cn/' },
  de: { authority: 'https://login.microsoftonline.de', resource: 'https://management.microsoftazure.de/' },
  us: { authority: 'https://login.microsoftonline.us', resource: 'https://management.usgovcloudapi.net/' },
}

/**
 * Registries of Azure: a token of Entra ID (a client secret, a federated token, or the identity of the machine), which
 * the registry trades for a refresh token.
 */
export function acrCredentials(context: CloudContext): CredentialSource {
  const name = "Azure's credentials"
  return {
    name,
    async find({ registry }, signal): Promise<Credential | undefined> {
      const cloud = CLOUDS[REGISTRY.exec(registry)?.groups?.['cloud'] ?? '']
      if (cloud === undefined) return undefined
      const access = (await fromClient(cloud, context, signal)) ?? (await fromMachine(cloud, context, signal))
      if (access === undefined) return undefined
      const { status, text } = await postForm(
        `https://${registry}/oauth2/exchange`,
        {
          grant_type: 'access_token',
          service: registry,
          access_token: access,
          ...tenantOf(context),
        },
        context,
        signal,
      )
      const token = textOf(membersOf(text), 'refresh_token')
      if (status === 200 && token !== undefined) return { type: 'identity-token', token, source: name }
      throw new OssbError('ERR_OSSB_UNAUTHORIZED', `Cannot get a token of Azure for "${registry}": ${status}`)
    },
  }
}

function tenantOf({ environment }: CloudContext): { readonly tenant?: string } {
  const tenant = environment['AZURE_TENANT_ID']
  return tenant ? { tenant } : {}
}

async function postForm(
  url: string,
  form: Record<string, string>,
  { ask }: CloudContext,
  signal: AbortSignal,
) {
  return await ask(
    {
      method: 'POST',
      url,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
    },
    signal,
  )
}

async function fromClient(
  { authority, resource }: Cloud,
  context: CloudContext,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { environment } = context
  const [id, secret, tenant] = ['AZURE_CLIENT_ID', 'AZURE_CLIENT_SECRET', 'AZURE_TENANT_ID'].map(
    (name) => environment[name],
  )
  const file = environment['AZURE_FEDERATED_TOKEN_FILE']
  if (!id || !tenant || (!secret && !file)) return undefined
  const proof: Record<string, string> = secret
    ? { client_secret: secret }
    : {
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: readFileSync(file ?? '', 'utf8').trim(),
      }
  const base = (environment['AZURE_AUTHORITY_HOST'] || authority).replace(/\/+$/, '')
  const { status, text } = await postForm(
    `${base}/${encodeURIComponent(tenant)}/oauth2/v2.0/token`,
    { grant_type: 'client_credentials', client_id: id, scope: `${resource}.default`, ...proof },
    context,
    signal,
  )
  const token = textOf(membersOf(text), 'access_token')
  if (status === 200 && token !== undefined) return token
  const reason = textOf(membersOf(text), 'error_description') ?? textOf(membersOf(text), 'error') ?? ''
  throw new OssbError(
    'ERR_OSSB_UNAUTHORIZED',
    `Cannot log in to Azure as client "${id}": ${status} ${reason}`,
  )
}

/** The instance metadata service. */
async function fromMachine(
  { resource }: Cloud,
  context: CloudContext,
  signal: AbortSignal,
): Promise<string | undefined> {
  const id = context.environment['AZURE_CLIENT_ID']
  const query = new URLSearchParams({
    'api-version': '2018-02-01',
    resource,
    ...(id ? { client_id: id } : {}),
  })
  const text = await askMetadata(
    {
      method: 'GET',
      url: `http://169.254.169.254/metadata/identity/oauth2/token?${query.toString()}`,
      headers: { metadata: 'true' },
    },
    context,
    signal,
  )
  return text === undefined ? undefined : textOf(membersOf(text), 'access_token')
}
