import { OssbError } from '../../../../core/index.ts'
import type { Credential, CredentialSource } from '../credential.ts'
import { type CloudContext, findAwsKeys, membersOf, signed, textOf } from '../../../../cloud/index.ts'

const REGISTRY =
  /^\d{12}\.dkr[.-]ecr(?<fips>-fips)?\.(?<region>[a-z0-9-]+)\.(?<domain>amazonaws\.com(?:\.cn)?|on\.aws)$/

/** Registries of AWS: the call GetAuthorizationToken of ECR, with keys of the default chain. */
export function ecrCredentials(context: CloudContext): CredentialSource {
  return {
    name: "AWS's default credentials",
    async find({ registry }, signal): Promise<Credential | undefined> {
      const found = REGISTRY.exec(registry)?.groups
      if (found === undefined) return undefined
      const { region = '', fips = '', domain = '' } = found
      const keys = await findAwsKeys(context, region, signal)
      if (keys === undefined) return undefined
      const suffix = domain === 'on.aws' ? 'amazonaws.com' : domain
      const endpoint =
        context.environment['AWS_ENDPOINT_URL_ECR'] ||
        `https://${fips === '' ? 'api.ecr' : 'ecr-fips'}.${region}.${suffix}`
      const request = signed(
        {
          method: 'POST',
          url: `${endpoint}/`,
          headers: {
            'content-type': 'application/x-amz-json-1.1',
            'x-amz-target': 'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken',
          },
          body: '{}',
        },
        keys,
        { service: 'ecr', region, now: context.now() },
      )
      const { status, text } = await context.ask(request, signal)
      return toCredential(status, text, registry)
    },
  }
}

function toCredential(status: number, text: string, registry: string): Credential {
  const { authorizationData } = membersOf(text)
  const [first] = Array.isArray(authorizationData) ? (authorizationData as readonly unknown[]) : []
  const token = textOf(membersOf(JSON.stringify(first ?? {})), 'authorizationToken') ?? ''
  const pair = Buffer.from(token, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  if (status === 200 && colon > 0)
    return {
      type: 'basic',
      username: pair.slice(0, colon),
      password: pair.slice(colon + 1),
      source: "AWS's default credentials",
    }
  const reason = textOf(membersOf(text), 'message') ?? textOf(membersOf(text), '__type') ?? ''
  throw new OssbError(
    'ERR_OSSB_UNAUTHORIZED',
    `Cannot get a token of AWS for "${registry}": ${status} ${reason}`.trimEnd(),
  )
}
