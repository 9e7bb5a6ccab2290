import { join } from 'node:path'
import type { Change, Job } from '../core/index.ts'
import type { FileOperation, FileSession } from '../native/index.ts'

/** What a comparison of two trees tells: changes, and directories of which only the time did, which was `mtimeNs`. */
export type Difference =
  | Change
  | { readonly type: 'touched'; readonly path: string; readonly mtimeNs: bigint }

/**
 * The changes alone, without directories of which only the time differs: a temporary file leaves such ones everywhere,
 * and BuildKit does not record them either. Those that lead to no change get their old time back at the end, so that
 * `root` is what its layers make.
 * @returns the times of these, by their paths
 */
export async function* withoutTouched(
  differences: AsyncIterable<Difference>,
  root: string,
  session: FileSession,
  job: Job,
): AsyncGenerator<Change, ReadonlyMap<string, bigint>, undefined> {
  const touched = new Map<string, bigint>()
  for await (const difference of differences) {
    if (difference.type === 'touched') touched.set(difference.path, difference.mtimeNs)
    else {
      const path = difference.type === 'delete' ? difference.path : difference.entry.path
      for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
        touched.delete(path.slice(0, end))
      yield difference
    }
  }
  const times = Array.from(
    touched,
    ([path, mtimeNs]): FileOperation => ({ type: 'settimes', path: join(root, path), mtimeNs }),
  )
  if (times.length > 0) await session.batch(times, job)
  return touched
}
