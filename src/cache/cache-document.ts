import * as v from 'valibot'
import { type Descriptor, type Digest, isDigest, OssbError } from '../core/index.ts'
import { aboutSchema, type StepAbout } from './step-about.ts'

/** The type of BuildKit's description of a cache. */
export const CACHE_CONFIG: string = 'application/vnd.buildkit.cacheconfig.v0'
/** Annotations of layers in it: the diff_id, and when the step that made it ran. */
export const UNCOMPRESSED: string = 'containerd.io/uncompressed'
export const CREATED_AT: string = 'buildkit/createdat'
/** Its member in the config of an image. */
export const INLINE_CACHE: string = 'moby.buildkit.cache.v0'

/** BuildKit's importer reads no larger one. */
export const MAX_CACHE_DOCUMENT: number = 1024 * 1024

const digest = v.custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'not a digest')
const index = v.pipe(v.number(), v.integer())
const time = v.optional(v.string())

const layer = v.object({
  blob: digest,
  /** Another layer's index, -1 for none. Go writes no 0. */
  parent: v.optional(index, 0),
  annotations: v.optional(v.looseObject({ createdAt: time })),
})

const record = v.object({
  digest: v.optional(v.string()),
  layers: v.nullish(v.array(v.object({ layer: index, createdAt: time }))),
  chains: v.nullish(v.array(v.object({ layers: v.nullable(v.array(index), []), createdAt: time }))),
  inputs: v.nullish(
    v.array(v.nullable(v.array(v.object({ selector: v.optional(v.string()), link: index })), [])),
  ),
  /** The key of the same step by content; other builders pass over it. */
  'dev.ossb.content': v.optional(digest),
  /** In an image: how many of its layers come from its base. */
  'dev.ossb.base': v.optional(index),
  /** What the step is; whatever else may be here is left out. */
  'dev.ossb.about': v.fallback(v.optional(aboutSchema), undefined),
})

const records = v.nullish(v.array(record))
const document = v.object({ layers: v.nullish(v.array(layer)), records })

export interface DocumentLayer extends StackLayer {
  readonly parent: number
}

/** A layer of a stack; one blob may be in several, made at different times. */
export interface StackLayer {
  readonly blob: Digest
  readonly annotations?: { readonly createdAt?: string | undefined } | undefined
}

/** A key and its results: `layers` point at tops of stacks, `chains` name each layer of one. */
export interface DocumentRecord {
  readonly digest?: string | undefined
  readonly layers?:
    | readonly { readonly layer: number; readonly createdAt?: string | undefined }[]
    | null
    | undefined
  readonly chains?:
    | readonly { readonly layers: readonly number[]; readonly createdAt?: string | undefined }[]
    | null
    | undefined
  /** Of a key that is made of others: BuildKit's, never ours. */
  readonly inputs?:
    | readonly (readonly { readonly selector?: string | undefined; readonly link: number }[])[]
    | null
    | undefined
  readonly 'dev.ossb.content'?: Digest | undefined
  readonly 'dev.ossb.base'?: number | undefined
  readonly 'dev.ossb.about'?: StepAbout | undefined
}

/** What BuildKit says of a cache: stacks of layers, as trees of parents, and records that point at their tops. */
export interface CacheDocument {
  readonly layers: readonly DocumentLayer[]
  readonly records: readonly DocumentRecord[]
}

/** @throws OssbError ERR_OSSB_CACHE */
export function parseCacheDocument(bytes: Uint8Array): CacheDocument {
  const { layers, records: some } = parsed(document, bytes)
  return { layers: layers ?? [], records: some ?? [] }
}

/** The records alone, as an image's config has them: the layers are those of the image. */
export function parseInlineRecords(bytes: Uint8Array, layers: readonly Descriptor[]): CacheDocument {
  return {
    layers: layers.map((blob, i) => ({ blob: blob.digest, parent: i - 1 })),
    records: parsed(records, bytes) ?? [],
  }
}

function parsed<S extends v.GenericSchema>(schema: S, bytes: Uint8Array): v.InferOutput<S> {
  try {
    return v.parse(schema, JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch (cause) {
    throw new OssbError('ERR_OSSB_CACHE', 'Cannot read a cache: its description is not what it should be', {
      cause,
    })
  }
}

/** The stack that ends with a layer, lowest first; undefined for one that leads nowhere or in a circle. */
export function stackOf(layers: readonly DocumentLayer[], top: number): readonly StackLayer[] | undefined {
  const stack: StackLayer[] = []
  for (let at = top; at !== -1; ) {
    const found = layers[at]
    if (found === undefined || stack.length > layers.length) return undefined
    const { parent, ...layer } = found
    stack.unshift(layer)
    at = parent
  }
  return stack
}

/** All stacks that a record gives. */
export function stacksOf(
  { layers }: CacheDocument,
  record: DocumentRecord,
): readonly (readonly StackLayer[])[] {
  const stacks = (record.layers ?? []).map(({ layer: top }) => stackOf(layers, top))
  const chains = (record.chains ?? []).map((chain) => chain.layers.map((at) => layers[at]))
  return [...stacks, ...chains].flatMap((stack) =>
    stack === undefined || stack.some((layer) => layer === undefined) ? [] : [stack as readonly StackLayer[]],
  )
}
