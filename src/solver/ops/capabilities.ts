import type { Job } from '../../core/index.ts'
import type { FileSession } from '../../native/index.ts'

const NAME = 'security.capability'

/** How many files are asked about at once. */
const BATCH = 1024

/** The capability of each file (host paths), undefined for those without one. */
export async function readCapabilities(
  paths: readonly string[],
  session: FileSession,
  job: Job,
): Promise<readonly (Uint8Array | undefined)[]> {
  const found: (Uint8Array | undefined)[] = []
  for (let at = 0; at < paths.length; at += BATCH) {
    const some = paths.slice(at, at + BATCH)
    const results = await session.batch(
      some.map((path) => ({ type: 'getxattr', path, name: NAME, optional: true })),
      job,
    )
    found.push(...results.map((result) => (result.ok ? result.value : undefined)))
  }
  return found
}
