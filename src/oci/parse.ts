import * as v from 'valibot'
import { type Digest, isDigest, OssbError } from '../core/index.ts'
import type { ImageConfig, ImageIndex, Manifest } from './types.ts'

/** The largest manifest, index or config that is read, in bytes; registries refuse manifests above 4 MiB. */
export const MAX_DOCUMENT_BYTES: number = 8 * 1024 * 1024

const strings = v.nullish(v.array(v.string()))
const text = v.nullish(v.string())
const marks = v.nullish(v.record(v.string(), v.object({})))

const digest = v.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  'not a digest of SHA-256 or SHA-512',
)

const platform = v.object({
  os: v.string(),
  architecture: v.string(),
  variant: text,
  'os.version': text,
})

const descriptor = v.object({
  mediaType: v.string(),
  digest,
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  urls: strings,
  annotations: v.nullish(v.record(v.string(), v.string())),
  platform: v.nullish(platform),
  artifactType: text,
})

const annotations = v.nullish(v.record(v.string(), v.string()))

const manifest = v.object({
  schemaVersion: v.literal(2),
  mediaType: text,
  artifactType: text,
  config: descriptor,
  // BuildKit writes null for an image without layers.
  layers: v.nullable(v.array(descriptor), []),
  subject: v.nullish(descriptor),
  annotations,
})

const index = v.object({
  schemaVersion: v.literal(2),
  mediaType: text,
  artifactType: text,
  manifests: v.nullable(v.array(descriptor), []),
  subject: v.nullish(descriptor),
  annotations,
})

const healthcheck = v.object({
  Test: strings,
  Interval: v.nullish(v.number()),
  Timeout: v.nullish(v.number()),
  StartPeriod: v.nullish(v.number()),
  StartInterval: v.nullish(v.number()),
  Retries: v.nullish(v.number()),
})

const runtimeConfig = v.object({
  User: text,
  ExposedPorts: marks,
  Env: strings,
  Entrypoint: strings,
  Cmd: strings,
  Volumes: marks,
  WorkingDir: text,
  Labels: v.nullish(v.record(v.string(), v.string())),
  StopSignal: text,
  ArgsEscaped: v.nullish(v.boolean()),
  Healthcheck: v.nullish(healthcheck),
  OnBuild: strings,
  Shell: strings,
})

const historyEntry = v.object({
  created: text,
  created_by: text,
  author: text,
  comment: text,
  empty_layer: v.nullish(v.boolean()),
})

const imageConfig = v.object({
  architecture: v.string(),
  os: v.string(),
  variant: text,
  'os.version': text,
  'os.features': strings,
  author: text,
  created: text,
  config: v.nullish(runtimeConfig),
  rootfs: v.object({ type: v.literal('layers'), diff_ids: v.nullable(v.array(digest), []) }),
  history: v.nullish(v.array(historyEntry)),
})

/** @throws OssbError ERR_OSSB_IMAGE_INVALID that names `what` and the member that is wrong */
export function parseManifest(bytes: Uint8Array, what: string): Manifest {
  return parseDocument(manifest, bytes, what) as Manifest
}

/** @throws OssbError as parseManifest */
export function parseIndex(bytes: Uint8Array, what: string): ImageIndex {
  return parseDocument(index, bytes, what) as ImageIndex
}

/** @throws OssbError as parseManifest */
export function parseImageConfig(bytes: Uint8Array, what: string): ImageConfig {
  return parseDocument(imageConfig, bytes, what) as ImageConfig
}

function parseDocument(schema: v.GenericSchema, bytes: Uint8Array, what: string): unknown {
  if (bytes.length > MAX_DOCUMENT_BYTES)
    throw invalidDocument(what, `it is larger than ${MAX_DOCUMENT_BYTES} bytes`)
  const parsed = v.safeParse(schema, parseJson(bytes, what))
  if (parsed.success) return withoutNulls(parsed.output)
  const issue = parsed.issues[0]
  const at = v.getDotPath(issue)
  throw invalidDocument(what, `${at === null ? '' : `member "${at}": `}${issue.message}`)
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw invalidDocument(what, 'it is not JSON', cause)
  }
}

function invalidDocument(what: string, why: string, cause?: unknown): OssbError {
  return new OssbError('ERR_OSSB_IMAGE_INVALID', `Cannot read ${what}: ${why}`, { cause })
}

/** In these documents `null` means absent (Go writes empty values so); absent it becomes. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (value === null || typeof value !== 'object') return value
  const kept = Object.entries(value).filter(([, member]) => member !== null && member !== undefined)
  return Object.fromEntries(kept.map(([key, member]) => [key, withoutNulls(member)]))
}
