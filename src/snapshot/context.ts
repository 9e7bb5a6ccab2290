import type { Codec } from '../codec/index.ts'
import { algorithmOf, formatBytes, type Job, OssbError } from '../core/index.ts'
import { createDigestTap } from '../io/index.ts'
import { applyLayer, limitExpansion } from '../layer/index.ts'
import type { FileSession, NativeHelper } from '../native/index.ts'
import type { Layer } from '../oci/index.ts'
import type { StorePaths, Workspace } from '../store/index.ts'

/** What every snapshotter works with. */
export interface SnapshotContext {
  readonly paths: StorePaths
  readonly workspace: Workspace
  readonly helper: NativeHelper
  readonly session: FileSession
  readonly codec: Codec
}

/** What is wrong with a layer, and not with the disk or the network. */
const UNREADABLE: readonly string[] = ['ERR_OSSB_INTEGRITY', 'ERR_OSSB_LAYER_INVALID', 'ERR_OSSB_CODEC']

/** Whether an error says that what was read of a layer is wrong. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof OssbError && UNREADABLE.includes(error.code)
}

/**
 * Unpacks a layer onto a root, and checks that its content was what its diff_id says.
 * @throws OssbError ERR_OSSB_INTEGRITY, with the root in an unknown state
 */
export async function unpackLayer(
  layer: Layer,
  root: string,
  context: SnapshotContext,
  job: Job,
): Promise<void> {
  const tap = createDigestTap(algorithmOf(layer.diffId))
  const packed = reportProgress(await layer.open(job), layer, job)
  const unpacked = limitExpansion(context.codec.decompress(packed), layer.descriptor)
  try {
    await applyLayer(tap.through(unpacked), { root }, context.session, job)
  } catch (error) {
    if (isUnreadable(error)) layer.reject?.()
    throw error
  }
  if (tap.digest() === layer.diffId) return
  layer.reject?.()
  throw new OssbError(
    'ERR_OSSB_INTEGRITY',
    `Cannot use layer ${layer.descriptor.digest} (${formatBytes(layer.descriptor.size)}): its content is ${tap.digest()}, but the image config says ${layer.diffId}`,
    {
      hint: 'The image is damaged, or was put together wrongly. Pull it again, or take another base image.',
    },
  )
}

async function* reportProgress(
  chunks: AsyncIterable<Uint8Array>,
  { descriptor }: Layer,
  job: Job,
): AsyncGenerator<Uint8Array> {
  let current = 0
  for await (const chunk of chunks) {
    current += chunk.length
    yield chunk
    job.emit({
      type: 'progress',
      what: `unpack ${descriptor.digest}`,
      current,
      total: descriptor.size,
      unit: 'bytes',
    })
  }
}
