/**
 * Credentials that a cloud gives to those who run in it, by its documented HTTP calls. None is asked for a registry that
 * is not its own.
 */
import type { CredentialSource } from '../credential.ts'
import { acrCredentials } from './acr.ts'
import type { CloudContext } from '../../../../cloud/index.ts'
import { ecrCredentials } from './ecr.ts'
import { gitlabCredentials } from './gitlab.ts'
import { googleCredentials } from './google.ts'

export type CloudProvider = 'google' | 'ecr' | 'acr' | 'gitlab'

const SOURCES: Readonly<Record<CloudProvider, (context: CloudContext) => CredentialSource>> = {
  google: googleCredentials,
  ecr: ecrCredentials,
  acr: acrCredentials,
  gitlab: gitlabCredentials,
}

export function cloudCredentials(
  providers: readonly CloudProvider[],
  context: CloudContext,
): readonly CredentialSource[] {
  return providers.map((provider) => once(SOURCES[provider](context), context.now))
}

/** What clouds give lives for an hour at least; within a long build it is asked for again. */
const LIFETIME_MS = 30 * 60_000

/** Asks once for a registry, however many want to know. */
function once(source: CredentialSource, now: () => number): CredentialSource {
  const known = new Map<
    string,
    { readonly until: number; readonly found: ReturnType<CredentialSource['find']> }
  >()
  return {
    name: source.name,
    find(request, signal) {
      const before = known.get(request.registry)
      if (before !== undefined && before.until > now()) return before.found
      const found = source.find(request, signal)
      known.set(request.registry, { until: now() + LIFETIME_MS, found })
      found.catch(() => known.delete(request.registry))
      return found
    },
  }
}
