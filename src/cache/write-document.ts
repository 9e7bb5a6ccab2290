import type { Descriptor, Digest } from '../core/index.ts'
import {
  type CacheDocument,
  type DocumentLayer,
  type DocumentRecord,
  MAX_CACHE_DOCUMENT,
  type StackLayer,
  stackOf,
} from './cache-document.ts'
import type { StepAbout } from './step-about.ts'

/** A result as a document has it: `stack` is from the lowest layer up. */
export interface DocumentEntry {
  readonly key: Digest
  readonly stack: readonly StackLayer[]
  readonly content?: Digest
  readonly about?: StepAbout
  /** When it was last of use (RFC 3339); absent where that would make equal caches differ. */
  readonly at?: string
}

/**
 * The document of some entries, and of records of another one which have keys of their own: BuildKit's, and those of
 * other builds, the youngest first as far as there is room.
 */
export function writeDocument(entries: readonly DocumentEntry[], other?: CacheDocument): CacheDocument {
  const draft = createDraft()
  for (const entry of entries) draft.add(entry)
  if (other !== undefined) for (const group of groupsOf(other)) draft.adopt(other, group)
  return draft.document()
}

/** What is said of one step, in bytes; beyond that nothing is. */
const MAX_ABOUT = 4096

/** Bytes that are left for what is not a record. */
const MARGIN = 4096

function createDraft() {
  const layers: DocumentLayer[] = []
  const records: DocumentRecord[] = []
  const indexes = new Map<string, number>()
  const keys = new Set<string>()
  let size = MARGIN

  const place = (stack: readonly StackLayer[]): number =>
    stack.reduce((parent, { blob, annotations }) => {
      const name = `${parent} ${blob} ${annotations?.createdAt}`
      const known = indexes.get(name)
      if (known !== undefined) return known
      const layer = { blob, parent, ...(annotations === undefined ? {} : { annotations }) }
      indexes.set(name, layers.push(layer) - 1)
      size += JSON.stringify(layer).length + 1
      return layers.length - 1
    }, -1)

  const push = (record: DocumentRecord): number => {
    size += JSON.stringify(record).length + 1
    return records.push(record) - 1
  }

  return {
    add({ key, stack, content, about, at }: DocumentEntry): void {
      if (keys.has(key)) return
      keys.add(key)
      const result = { layer: place(stack), ...(at === undefined ? {} : { createdAt: at }) }
      push({
        digest: key,
        layers: [result],
        ...(content === undefined ? {} : { 'dev.ossb.content': content }),
        ...(about === undefined || JSON.stringify(about).length > MAX_ABOUT
          ? {}
          : { 'dev.ossb.about': about }),
      })
    },

    /** Records that are linked to each other come together or not at all. */
    adopt(other: CacheDocument, group: readonly number[]): void {
      const added = group.map((at) => other.records[at] as DocumentRecord)
      const [first] = added
      if (first === undefined || (added.length === 1 && isOwn(first) && keys.has(first.digest ?? ''))) return
      // Layers that are placed twice are counted twice: there is some room to spare.
      if (size + roomOf(other, added) > MAX_CACHE_DOCUMENT) return
      const moved = new Map(group.map((at, i) => [at, records.length + i]))
      for (const record of added) push(moveRecord(record, other, moved, place))
      if (isOwn(first)) keys.add(first.digest ?? '')
    },

    document: (): CacheDocument => ({ layers, records }),
  }
}

function moveRecord(
  { layers, chains, inputs, ...rest }: DocumentRecord,
  other: CacheDocument,
  moved: ReadonlyMap<number, number>,
  place: (stack: readonly StackLayer[]) => number,
): DocumentRecord {
  const results = (layers ?? []).flatMap(({ layer, ...more }) => {
    const stack = stackOf(other.layers, layer)
    return stack === undefined ? [] : [{ layer: place(stack), ...more }]
  })
  const chained = (chains ?? []).map((chain) => ({
    ...chain,
    layers: chain.layers.flatMap((at) => {
      const stack = stackOf(other.layers, at)
      return stack === undefined ? [] : [place(stack)]
    }),
  }))
  const links = (inputs ?? []).map((some) =>
    some.flatMap(({ link, ...more }) => {
      const to = moved.get(link)
      return to === undefined ? [] : [{ link: to, ...more }]
    }),
  )
  return {
    ...rest,
    ...(results.length === 0 ? {} : { layers: results }),
    ...(chained.length === 0 ? {} : { chains: chained }),
    ...(links.length === 0 ? {} : { inputs: links }),
  }
}

/** Whether a record stands by itself, as ours do. */
export function isOwn({ inputs }: DocumentRecord): boolean {
  return inputs === undefined || inputs === null || inputs.length === 0
}

/** Indexes of records by what is linked to each other; the youngest first. */
function groupsOf({ records }: CacheDocument): readonly (readonly number[])[] {
  const groupOf = records.map((_record, i) => i)
  const find = (i: number): number => {
    const group = groupOf[i]
    return group === undefined || group === i ? i : find(group)
  }
  for (const [i, { inputs }] of records.entries())
    for (const { link } of (inputs ?? []).flat())
      if (records[link] !== undefined) groupOf[find(i)] = find(link)
  const groups = new Map<number, number[]>()
  for (const i of records.keys()) groups.set(find(i), [...(groups.get(find(i)) ?? []), i])
  const age = (group: readonly number[]) =>
    group
      .flatMap((i) => (records[i]?.layers ?? []).map(({ createdAt }) => createdAt ?? ''))
      .sort()
      .at(-1) ?? ''
  return [...groups.values()].sort((a, b) => (age(a) < age(b) ? 1 : age(a) > age(b) ? -1 : 0))
}

function roomOf(other: CacheDocument, records: readonly DocumentRecord[]): number {
  const tops = new Set(records.flatMap(({ layers }) => (layers ?? []).map(({ layer }) => layer)))
  const stacks = [...tops].flatMap((top) => stackOf(other.layers, top) ?? [])
  return JSON.stringify(records).length + stacks.length * 170
}

/** The descriptors of a document's layers, each once, in the order of their first use. */
export function layersOfDocument(
  { layers }: CacheDocument,
  descriptors: ReadonlyMap<Digest, Descriptor>,
): readonly Descriptor[] {
  const blobs = new Set(layers.map(({ blob }) => blob))
  return [...blobs].flatMap((blob) => descriptors.get(blob) ?? [])
}
