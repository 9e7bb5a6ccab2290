import { join } from 'node:path'
import { type Digest, type Job, jobOf, OssbError } from '../core/index.ts'
import type { SourceTree } from '../fs/index.ts'
import type { HttpOp, Vertex } from '../graph/index.ts'
import { download } from '../sources/index.ts'
import type { Workspace } from '../store/index.ts'
import type { LayerProvider } from './op-runner.ts'
import type { Result } from './result.ts'

export interface SourceOptions {
  readonly images: LayerProvider
  readonly workspace: Workspace
  /** Build contexts by name. */
  readonly contexts: ReadonlyMap<string, SourceTree>
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
      return { type: 'tree', tree: contextOf(options.contexts, op.name) }
    case 'image':
      return await reportedSource(vertex, told, job, async (own) => ({
        type: 'layers',
        layers: await options.images.layers(op, own),
      }))
    case 'http':
      return await reportedSource(vertex, told, job, (own) => downloadTree(op, options.workspace, own))
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

function contextOf(contexts: ReadonlyMap<string, SourceTree>, name: string): SourceTree {
  const tree = contexts.get(name)
  if (tree === undefined)
    throw new OssbError(
      'ERR_OSSB_CONTEXT',
      `Cannot use the build context "${name}": there is none of this name`,
    )
  return tree
}

async function downloadTree(op: HttpOp, workspace: Workspace, job: Job): Promise<Result> {
  const root = workspace.directory()
  const { url, fileName, checksum } = op
  await download({ url, path: join(root, fileName), ...(checksum === undefined ? {} : { checksum }) }, job)
  return { type: 'tree', tree: { root } }
}
