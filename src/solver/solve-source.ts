import { join } from 'node:path'
import { type Digest, type Job, jobOf, OssbError } from '../core/index.ts'
import type { SourceTree } from '../fs/index.ts'
import type { HttpOp, Vertex } from '../graph/index.ts'
import { checkOut, download, placeDownload, type SourceServices } from '../sources/index.ts'
import type { LayerProvider } from './op-runner.ts'
import type { Result } from './result.ts'

export interface SourceOptions {
  readonly images: LayerProvider
  readonly sources: SourceServices
  /** Build contexts by name, each brought here when a step needs it. */
  readonly contexts: ReadonlyMap<string, (job: Job) => Promise<SourceTree>>
}

/** What an operation without inputs gives. */
export async function solveSource(
  vertex: Vertex,
  options: SourceOptions,
  told: Set<Digest>,
  job: Job,
): Promise<Result> {
  const { op } = vertex
  switch (op.kind) {
    case 'scratch':
      return { type: 'layers', layers: [] }
    case 'context':
      return { type: 'tree', tree: await contextOf(options.contexts, op.name)(job) }
    case 'image':
      return await reportedSource(vertex, told, job, async (own) => ({
        type: 'layers',
        layers: await options.images.layers(op, own),
      }))
    case 'http':
      return await reportedSource(vertex, told, job, (own) => downloadTree(op, options.sources, own))
    case 'git':
      return await reportedSource(vertex, told, job, async (own) => ({
        type: 'tree',
        tree: await checkOut(op, options.sources, own),
      }))
    case 'exec':
    case 'file':
      throw new OssbError('ERR_OSSB_INTERNAL', `Cannot take "${vertex.name}" as a source`)
    default:
      return op satisfies never
  }
}

async function reportedSource(
  vertex: Vertex,
  told: Set<Digest>,
  job: Job,
  action: (own: Job) => Promise<Result>,
): Promise<Result> {
  const own = jobOf(job, vertex.digest)
  told.add(vertex.digest)
  own.emit({ type: 'started', name: vertex.name })
  try {
    const result = await action(own)
    own.emit({ type: 'completed', name: vertex.name })
    return result
  } catch (error) {
    own.emit({
      type: 'completed',
      name: vertex.name,
      error: error instanceof Error ? error.message : String(error),
    })
    throw error
  }
}

function contextOf(contexts: SourceOptions['contexts'], name: string): (job: Job) => Promise<SourceTree> {
  const open = contexts.get(name)
  if (open === undefined)
    throw new OssbError(
      'ERR_OSSB_CONTEXT',
      `Cannot use the build context "${name}": there is none of this name`,
    )
  return open
}

async function downloadTree(op: HttpOp, sources: SourceServices, job: Job): Promise<Result> {
  const { url, fileName, checksum } = op
  const file = await download({ url, ...(checksum === undefined ? {} : { checksum }) }, sources, job)
  const root = sources.directory()
  placeDownload(file, join(root, fileName))
  return { type: 'tree', tree: { root } }
}
