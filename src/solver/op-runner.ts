import type { Digest, Job } from '../core/index.ts'
import type { SourceTree } from '../fs/index.ts'
import type { Op, Vertex } from '../graph/index.ts'
import type { Layer } from '../oci/index.ts'
import type { WorkingRoot } from '../snapshot/index.ts'

/** The part of an input that an operation reads: a digest over it is its content key. */
export interface InputSelection {
  readonly input: number
  digest(tree: SourceTree, job: Job): Promise<Digest>
}

/** How an operation that changes a root file system is carried out. Ops are data; this is the behaviour to a kind. */
export interface OpRunner<O extends Op = Op> {
  /** Whether the layer is made in an empty root file system, and not above that of input 0. Absent is never. */
  isIndependent?(op: O): boolean
  /** What it reads of its inputs beside the root file system that it changes (input 0, but if it is independent). */
  selections(op: O): readonly InputSelection[]
  /** Changes `root`; `trees` are the inputs that `selections` names, by their index. */
  run(
    op: O,
    vertex: Vertex,
    root: WorkingRoot,
    trees: ReadonlyMap<number, SourceTree>,
    job: Job,
  ): Promise<void>
}

/** An operation that has no root file system to start from. */
export type SourceOp = Extract<Op, { kind: 'scratch' | 'image' | 'context' | 'http' | 'git' }>

/** Whether a kind of operation changes a root file system, and so makes a layer. */
export function makesLayer(op: Op): op is Exclude<Op, SourceOp> {
  return op.kind === 'exec' || op.kind === 'file'
}

/** How base images become layers. */
export interface LayerProvider {
  layers(op: Extract<Op, { kind: 'image' }>, job: Job): Promise<readonly Layer[]>
}
