import { canonicalJson, type Digest, digestOf, type SourceRange } from '../core/index.ts'
import type { Op } from './op.ts'

/** A step of the build. Equal operations on equal inputs are the same vertex: `digest` names both. */
export interface Vertex {
  readonly digest: Digest
  readonly op: Op
  readonly inputs: readonly Vertex[]
  /** For people: "[build 2/5] RUN make". */
  readonly name: string
  /** The Dockerfile lines that it comes from; every step of a Dockerfile has one. */
  readonly source?: SourceRange
  /** What a step needs but what does not change its result: never part of a digest or a cache key. */
  readonly unkeyed?: Unkeyed
}

/** What a process gets that must not change its result. */
export interface Unkeyed {
  /** `NAME=value` */
  readonly env: readonly string[]
  readonly extraHosts?: readonly ExtraHost[]
}

export interface ExtraHost {
  readonly name: string
  readonly address: string
}

export interface VertexOptions {
  readonly name: string
  readonly source?: SourceRange
  readonly unkeyed?: Unkeyed
}

export function createVertex(op: Op, inputs: readonly Vertex[], options: VertexOptions): Vertex {
  const digest = digestOf(canonicalJson({ op, inputs: inputs.map((input) => input.digest) }))
  return Object.freeze({ digest, op, inputs, ...options })
}

/** Every vertex that `root` needs, inputs before what uses them, each once. */
export function topological(root: Vertex): readonly Vertex[] {
  const seen = new Map<Digest, Vertex>()
  const visit = (vertex: Vertex): void => {
    if (seen.has(vertex.digest)) return
    for (const input of vertex.inputs) visit(input)
    seen.set(vertex.digest, vertex)
  }
  visit(root)
  return [...seen.values()]
}
