import type { ExecutorChoice } from '../index.ts'
import type { Api } from './api.ts'
import { keepExtraCertificates } from './extra-certificates.ts'
import type { Host } from './host.ts'

export interface NamespaceRequest {
  readonly executor: ExecutorChoice
  readonly cacheDir: string
  /** The arguments for the process inside. */
  readonly args: readonly string[]
}

/**
 * Runs this program once more inside the builder's own namespaces, where that is needed: answers the exit status of
 * that, or undefined to go on here. A signal that came to this process decides, whatever the one inside made of it.
 */
export async function enterNamespace(
  request: NamespaceRequest,
  host: Host,
  api: Api,
): Promise<number | undefined> {
  const { executor, cacheDir, args } = request
  const exitCode = await api.enterNamespace(
    {
      executor,
      cacheDir,
      command: [...host.self, ...args],
      environment: keepExtraCertificates(host.environment),
    },
    { signal: host.interruption.signal, emit: () => undefined },
  )
  if (exitCode === undefined || exitCode === 0) return exitCode
  return host.interruption.exitCode() ?? exitCode
}
