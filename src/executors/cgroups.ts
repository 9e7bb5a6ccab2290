import { readFileSync } from 'node:fs'
import type { Job } from '../core/index.ts'
import type { FileSession } from '../native/index.ts'
import { withoutAbort } from './without-abort.ts'

const UNIFIED = '/sys/fs/cgroup/unified'

/**
 * crun does not start where both versions of cgroups have controllers, though it is asked to use none: then the second
 * version is covered, in this mount namespace, for as long as that lasts.
 */
export async function hideUnifiedCgroups(
  session: FileSession,
  scratch: () => string,
  job: Job,
): Promise<void> {
  if (!hasControllers()) return
  await session.mount({ type: 'bind', source: scratch(), target: UNIFIED, readonly: true }, withoutAbort(job))
}

function hasControllers(): boolean {
  try {
    return readFileSync(`${UNIFIED}/cgroup.controllers`, 'utf8').trim() !== ''
  } catch {
    return false
  }
}
