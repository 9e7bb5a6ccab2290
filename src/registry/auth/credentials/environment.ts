import { hostName } from '../../http/origin.ts'
import type { CredentialSource } from './credential.ts'

/**
 * Credentials in variables named after the host, as kaniko reads them: `KANIKO_REGISTRY_EXAMPLE_COM_USER` and
 * `…_PASSWORD`, or those of a domain above it (`KANIKO_EXAMPLE_COM_USER`). The port is not part of the name.
 */
export function environmentCredentials(
  environment: Readonly<Record<string, string | undefined>>,
): CredentialSource {
  return {
    name: 'variables such as KANIKO_<HOST>_USER',
    find({ registry }) {
      const labels = hostName(registry).toUpperCase().replaceAll('-', '_').split('.')
      for (let from = 0; from < labels.length; from += 1) {
        const prefix = `KANIKO_${labels.slice(from).join('_')}`
        const [username, password] = [environment[`${prefix}_USER`], environment[`${prefix}_PASSWORD`]]
        if (!username || !password) continue
        const source = `the environment variables ${prefix}_USER and ${prefix}_PASSWORD`
        return Promise.resolve({ type: 'basic', username, password, source })
      }
      return Promise.resolve(undefined)
    },
  }
}
