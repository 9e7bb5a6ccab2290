import { canonicalRegistry } from '../../../http/origin.ts'
import type { CredentialSource } from '../credential.ts'
import type { CloudContext } from '../../../../cloud/index.ts'

/** The registry of a job of GitLab CI, by the variables that GitLab gives to it. */
export function gitlabCredentials({ environment }: Pick<CloudContext, 'environment'>): CredentialSource {
  const source = 'the variables CI_REGISTRY_USER and CI_REGISTRY_PASSWORD'
  return {
    name: source,
    find({ registry }) {
      const own = environment['CI_REGISTRY']
      const [username, password] = [environment['CI_REGISTRY_USER'], environment['CI_REGISTRY_PASSWORD']]
      const isOwn = own ? canonicalRegistry(own) === canonicalRegistry(registry) : false
      return Promise.resolve(
        isOwn && username && password ? { type: 'basic', username, password, source } : undefined,
      )
    },
  }
}
