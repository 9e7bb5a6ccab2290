import { readFileSync } from 'node:fs'
import * as v from 'valibot'
import { type Descriptor, type Digest, errnoOf, fileSystemError, isDigest } from '../core/index.ts'
import { writeFileAtomic } from '../io/index.ts'
import type { StorePaths } from '../store/index.ts'

/** What a layer became when it was compressed. */
export interface CompressedForm {
  /** That of the layer, but where the compression adds to its files. */
  readonly diffId: Digest
  readonly descriptor: Descriptor
}

/** By the way of compression: everything that its bytes depend on beside the layer. */
export type CompressedForms = Readonly<Record<string, CompressedForm>>

const digest = v.custom<Digest>((value) => typeof value === 'string' && isDigest(value))
const annotations = v.record(v.string(), v.string())
const forms = v.record(
  v.string(),
  v.object({
    diffId: digest,
    descriptor: v.object({
      mediaType: v.string(),
      digest,
      size: v.number(),
      annotations: v.exactOptional(annotations),
    }),
  }),
)

/** What is known of a layer's compressed forms; their content may be gone. Damaged knowledge is none. */
export function compressedForms(paths: StorePaths, diffId: Digest): CompressedForms {
  return readForms(paths.compressed(diffId))
}

export function readForms(path: string): CompressedForms {
  try {
    const parsed = v.safeParse(forms, JSON.parse(readFileSync(path, 'utf8')))
    return parsed.success ? parsed.output : {}
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return {}
    throw fileSystemError(`read "${path}"`, error)
  }
}

/** Of two processes that add to one layer at once, one may be forgotten: that costs time and no more. */
export function addCompressedForm(
  paths: StorePaths,
  { layer, way, form }: { readonly layer: Digest; readonly way: string; readonly form: CompressedForm },
): void {
  const all = { ...compressedForms(paths, layer), [way]: form }
  writeFileAtomic(paths.compressed(layer), JSON.stringify(all), { isKept: false })
}
