import { type CloudContext, googleToken } from '../../../../cloud/index.ts'
import type { Credential, CredentialSource } from '../credential.ts'

const REGISTRIES = /^(?:gcr\.io|[a-z0-9-]+\.gcr\.io|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.pkg\.dev)$/

/** Registries of Google Cloud. */
export function googleCredentials(context: CloudContext): CredentialSource {
  const name = "Google's application default credentials"
  return {
    name,
    async find({ registry }, signal): Promise<Credential | undefined> {
      if (!REGISTRIES.test(registry)) return undefined
      const password = await googleToken(context, signal)
      return password === undefined
        ? undefined
        : { type: 'basic', username: 'oauth2accesstoken', password, source: name }
    },
  }
}
