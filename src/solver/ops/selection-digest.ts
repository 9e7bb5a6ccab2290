import { type Digest, digestOf, type Job } from '../../core/index.ts'
import {
  type ContentDigestOptions,
  contentDigest,
  type SelectedSource,
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
  const content = contentDigest(tree, selected, { ...options, onFile: (path) => files.push(path) })
  const capabilities = await readCapabilities(files, session, job)
  const marks = capabilities.flatMap((value, i) =>
    value === undefined ? [] : [`${i}=${Buffer.from(value).toString('hex')}`],
  )
  return marks.length === 0 ? content : digestOf([content, ...marks].join(' '))
}
