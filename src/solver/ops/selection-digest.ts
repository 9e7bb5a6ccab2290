import { type Digest, digestOf, type Job } from '../../core/index.ts'
import {
  type ContentDigestOptions,
  contentDigest,
  fileEntryOf,
  type SelectedSource,
  type SourceFile,
  type SourceTree,
} from '../../fs/index.ts'
import type { FileSession } from '../../native/index.ts'
import { readCapabilities } from './capabilities.ts'

/** A digest of all that a copy of the selected files carries over: what `contentDigest` counts, and file capabilities. */
export async function selectionDigest(
  tree: SourceTree,
  selected: readonly SelectedSource[],
  options: ContentDigestOptions,
  session: FileSession,
  job: Job,
): Promise<Digest> {
  const files: string[] = []
  const owned: SourceFile[] = []
  const content = contentDigest(tree, selected, {
    ...options,
    onFile: (path) => files.push(path),
    ...(session.recordsOwners ? { onAny: (file: SourceFile) => owned.push(file) } : {}),
  })
  const capabilities = await readCapabilities(files, session, job)
  const marks = capabilities.flatMap((value, i) =>
    value === undefined ? [] : [`${i}=${Buffer.from(value).toString('hex')}`],
  )
  const records = options.owners === 'counted' ? await readRecords(owned, session, job) : []
  return marks.length + records.length === 0 ? content : digestOf([content, ...marks, ...records].join(' '))
}

/** Owners and devices that are on record, where that is the only place of them. */
async function readRecords(
  files: readonly SourceFile[],
  session: FileSession,
  job: Job,
): Promise<readonly string[]> {
  const entries = await Promise.all(
    files.map(({ hostPath, stats }) => session.recorded(fileEntryOf(stats, hostPath, ''), hostPath, job)),
  )
  return entries.map(({ type, uid, gid, rdevMajor, rdevMinor }) =>
    [type, uid, gid, rdevMajor, rdevMinor].join(':'),
  )
}
