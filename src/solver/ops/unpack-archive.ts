import type { Codec } from '../../codec/index.ts'
import type { Job } from '../../core/index.ts'
import type { Owner, SelectedSource } from '../../fs/index.ts'
import { applyLayer, isTarArchive, openArchive } from '../../layer/index.ts'
import type { FileSession } from '../../native/index.ts'
import type { CopyTarget } from './copy-target.ts'

export interface UnpackContext {
  readonly target: CopyTarget
  readonly session: FileSession
  readonly codec: Codec
}

/**
 * Unpacks a local archive of ADD into the destination; answers false for a file that is none, by its content.
 */
export async function unpackArchive(
  source: SelectedSource,
  destination: string,
  owner: Owner | undefined,
  context: UnpackContext,
  job: Job,
): Promise<boolean> {
  if (source.isDirectory || !(await isTarArchive(source.hostPath, context.codec))) return false
  // What was copied so far is finished by path, and the archive may put something else there.
  await context.target.finish()
  const directory = context.target.makeDirectories(destination, { owner: undefined, mode: 0o755 })
  // The archive may say otherwise what the owner is.
  await context.target.flush()
  const tar = openArchive(source.hostPath, context.codec)
  const options = {
    root: context.target.root,
    directory: directory.slice(context.target.root.length),
    whiteouts: 'literal',
    ...(owner === undefined ? {} : { owner }),
  } as const
  await applyLayer(tar, options, context.session, job)
  return true
}
