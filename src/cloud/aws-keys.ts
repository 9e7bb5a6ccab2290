import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { askMetadata, type CloudContext, membersOf, textOf } from './ask.ts'
import type { AwsKeys } from './aws-signature.ts'

const LINK_LOCAL = 'http://169.254.169.254'
const CONTAINER = 'http://169.254.170.2'

/**
 * The keys of AWS in the order of its default chain: variables, a web identity (a service account of EKS), the file
 * that profiles are kept in, the endpoint of a container, the metadata of the machine.
 */
export async function findAwsKeys(
  context: CloudContext,
  region: string,
  signal: AbortSignal,
): Promise<AwsKeys | undefined> {
  return (
    fromVariables(context) ??
    (await fromWebIdentity(context, region, signal)) ??
    fromProfile(context) ??
    (await fromContainer(context, signal)) ??
    (await fromMachine(context, signal))
  )
}

function fromVariables({ environment }: CloudContext): AwsKeys | undefined {
  const [accessKeyId, secretAccessKey] = [
    environment['AWS_ACCESS_KEY_ID'],
    environment['AWS_SECRET_ACCESS_KEY'],
  ]
  if (!accessKeyId || !secretAccessKey) return undefined
  const sessionToken = environment['AWS_SESSION_TOKEN']
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) }
}

/** AssumeRoleWithWebIdentity of the Security Token Service, which needs no signature; it answers XML. */
async function fromWebIdentity(
  { environment, ask }: CloudContext,
  region: string,
  signal: AbortSignal,
): Promise<AwsKeys | undefined> {
  const [file, role] = [environment['AWS_WEB_IDENTITY_TOKEN_FILE'], environment['AWS_ROLE_ARN']]
  if (!file || !role) return undefined
  const query = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: environment['AWS_ROLE_SESSION_NAME'] || 'ossb',
    WebIdentityToken: readFileSync(file, 'utf8').trim(),
  })
  const endpoint = environment['AWS_ENDPOINT_URL_STS'] || `https://sts.${region}.amazonaws.com`
  const { status, text } = await ask(
    {
      method: 'POST',
      url: `${endpoint}/`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: query.toString(),
    },
    signal,
  )
  const element = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]
  const [accessKeyId, secretAccessKey] = [element('AccessKeyId'), element('SecretAccessKey')]
  const sessionToken = element('SessionToken')
  return status === 200 && accessKeyId && secretAccessKey && sessionToken
    ? { accessKeyId, secretAccessKey, sessionToken }
    : undefined
}

/** `[profile]` and `key = value`, as the command line of AWS keeps them. */
function fromProfile({ environment }: CloudContext): AwsKeys | undefined {
  const home = environment['HOME'] ?? ''
  const file = environment['AWS_SHARED_CREDENTIALS_FILE'] || join(home, '.aws/credentials')
  if (!existsSync(file)) return undefined
  const wanted = environment['AWS_PROFILE'] || 'default'
  const values = new Map<string, string>()
  let section = ''
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const name = /^\s*\[([^\]]*)\]/.exec(line)?.[1]
    if (name !== undefined) section = name.trim()
    const [, key, value] = /^\s*([a-z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (section === wanted && key !== undefined && value !== undefined) values.set(key, value)
  }
  const [accessKeyId, secretAccessKey] = [
    values.get('aws_access_key_id'),
    values.get('aws_secret_access_key'),
  ]
  if (!accessKeyId || !secretAccessKey) return undefined
  const sessionToken = values.get('aws_session_token')
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) }
}

async function fromContainer(context: CloudContext, signal: AbortSignal): Promise<AwsKeys | undefined> {
  const { environment } = context
  const relative = environment['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']
  const url = relative ? `${CONTAINER}${relative}` : environment['AWS_CONTAINER_CREDENTIALS_FULL_URI']
  if (!url) return undefined
  const file = environment['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE']
  const authorization = file
    ? readFileSync(file, 'utf8').trim()
    : environment['AWS_CONTAINER_AUTHORIZATION_TOKEN']
  const headers = authorization ? { authorization } : {}
  return keysIn(await askMetadata({ method: 'GET', url, headers }, context, signal))
}

/** The instance metadata service, version 2: a token first, then the name of the role, then its keys. */
async function fromMachine(context: CloudContext, signal: AbortSignal): Promise<AwsKeys | undefined> {
  const { environment } = context
  if (environment['AWS_EC2_METADATA_DISABLED'] === 'true') return undefined
  const base = environment['AWS_EC2_METADATA_SERVICE_ENDPOINT'] || LINK_LOCAL
  const token = await askMetadata(
    {
      method: 'PUT',
      url: `${base}/latest/api/token`,
      headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '300' },
    },
    context,
    signal,
  )
  if (token === undefined) return undefined
  const headers = { 'x-aws-ec2-metadata-token': token }
  const roles = `${base}/latest/meta-data/iam/security-credentials/`
  const role = await askMetadata({ method: 'GET', url: roles, headers }, context, signal)
  if (role === undefined) return undefined
  const url = `${roles}${role.trim()}`
  return keysIn(await askMetadata({ method: 'GET', url, headers }, context, signal))
}

function keysIn(text: string | undefined): AwsKeys | undefined {
  if (text === undefined) return undefined
  const members = membersOf(text)
  const accessKeyId = textOf(members, 'AccessKeyId')
  const secretAccessKey = textOf(members, 'SecretAccessKey')
  const sessionToken = textOf(members, 'Token')
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
}
