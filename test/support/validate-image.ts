import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { extract } from 'tar-stream'

type Json = { readonly [member: string]: unknown }

const DIGEST = /^sha256:[a-f0-9]{64}$/
const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/

/**
 * Everything that is wrong with an OCI layout directory, in words; empty when it is right. Written apart from src/,
 * so that a mistake there is not repeated here.
 */
export async function validateImage(layout: string): Promise<readonly string[]> {
  const problems: string[] = []
  const check = (ok: boolean, problem: string) => void (ok || problems.push(problem))
  const mark = readJson(join(layout, 'oci-layout'))
  check(mark?.['imageLayoutVersion'] === '1.0.0', 'oci-layout: not version 1.0.0')
  for (const name of readdirSync(join(layout, 'blobs', 'sha256')))
    check(/^[a-f0-9]{64}$/.test(name), `blobs/sha256/${name}: not the name of a blob`)
  const index = readJson(join(layout, 'index.json'))
  const manifests = listOf(index?.['manifests'])
  check(index?.['schemaVersion'] === 2, 'index.json: schemaVersion is not 2')
  check(manifests.length > 0, 'index.json: no manifests')
  for (const descriptor of manifests) await validateRoot(layout, descriptor, check)
  return problems
}

type Check = (ok: boolean, problem: string) => void

async function validateRoot(layout: string, descriptor: Json, check: Check): Promise<void> {
  const bytes = readBlob(layout, descriptor, check)
  if (bytes === undefined) return
  const document = JSON.parse(bytes.toString()) as Json
  const at = String(descriptor['digest'])
  check(document['schemaVersion'] === 2, `${at}: schemaVersion is not 2`)
  check(document['mediaType'] === descriptor['mediaType'], `${at}: its mediaType is not its descriptor's`)
  const members = Object.values(document['annotations'] ?? {})
  check(
    members.every((value) => typeof value === 'string'),
    `${at}: an annotation is not a string`,
  )
  if (/(image\.index|manifest\.list)/.test(String(descriptor['mediaType'])))
    for (const child of listOf(document['manifests'])) await validateRoot(layout, child, check)
  else await validateManifest(layout, document, descriptor, check)
}

async function validateManifest(
  layout: string,
  manifest: Json,
  descriptor: Json,
  check: Check,
): Promise<void> {
  const at = String(descriptor['digest'])
  const configDescriptor = (manifest['config'] ?? {}) as Json
  check(Array.isArray(manifest['layers']), `${at}: layers is not an array`)
  const layers = listOf(manifest['layers'])
  const families = new Set(
    [manifest, configDescriptor, ...layers].map(
      ({ mediaType }) => /\.(oci|docker)\./.exec(String(mediaType))?.[1],
    ),
  )
  check(families.size === 1 && !families.has(undefined), `${at}: media types of more than one family`)
  const configBytes = readBlob(layout, configDescriptor, check)
  if (configBytes === undefined) return
  const config = JSON.parse(configBytes.toString()) as Json
  validateConfig(config, layers.length, at, check)
  validatePlatform(config, descriptor['platform'] as Json | undefined, at, check)
  const diffIds = ((config['rootfs'] as Json | undefined)?.['diff_ids'] ?? []) as readonly unknown[]
  for (const [i, layer] of layers.entries()) await validateLayer(layout, layer, diffIds[i], check)
}

function validateConfig(config: Json, layerCount: number, at: string, check: Check): void {
  for (const member of ['architecture', 'os'])
    check(typeof config[member] === 'string' && config[member] !== '', `${at}: config without ${member}`)
  const rootfs = config['rootfs'] as Json | undefined
  check(rootfs?.['type'] === 'layers', `${at}: rootfs.type is not "layers"`)
  const diffIds = rootfs?.['diff_ids']
  check(
    Array.isArray(diffIds) && diffIds.length === layerCount,
    `${at}: ${Array.isArray(diffIds) ? diffIds.length : 'no'} diff_ids for ${layerCount} layers`,
  )
  const history = config['history'] === undefined ? undefined : listOf(config['history'])
  const notEmpty = history?.filter((entry) => entry['empty_layer'] !== true).length ?? layerCount
  check(notEmpty === layerCount, `${at}: history names ${notEmpty} layers of ${layerCount}`)
  for (const { created } of [config, ...(history ?? [])])
    check(
      created === undefined || (typeof created === 'string' && RFC3339.test(created)),
      `${at}: ${JSON.stringify(created)} is not an RFC 3339 time`,
    )
}

function validatePlatform(config: Json, platform: Json | undefined, at: string, check: Check): void {
  if (platform === undefined) return
  for (const member of ['architecture', 'os', 'variant'])
    check(
      platform[member] === config[member],
      `${at}: ${member} is "${String(config[member])}" in the config and "${String(platform[member])}" in the index`,
    )
}

async function validateLayer(layout: string, layer: Json, diffId: unknown, check: Check): Promise<void> {
  const bytes = readBlob(layout, layer, check)
  if (bytes === undefined) return
  const at = String(layer['digest'])
  const compression = compressionOf(bytes)
  const expected = /[.+](gzip|zstd)$/.exec(String(layer['mediaType']))?.[1] ?? 'none'
  check(compression === expected, `${at}: its media type says ${expected} and its bytes say ${compression}`)
  const tar = decompress(bytes, compression)
  const actual = digestOf(tar)
  check(actual === diffId, `${at}: diff_id is ${actual} and the config says ${String(diffId)}`)
  for (const name of await tarNames(tar).catch((error: unknown) => [`unreadable tar: ${String(error)}`]))
    check(!/^\/|(^|\/)\.\.(\/|$)|^unreadable tar/.test(name), `${at}: entry "${name}"`)
  check(tar.length >= 1024 && tar.subarray(-1024).every((byte) => byte === 0), `${at}: no end of archive`)
}

function readBlob(layout: string, descriptor: Json, check: Check): Buffer | undefined {
  const digest = String(descriptor['digest'])
  check(typeof descriptor['mediaType'] === 'string', `${digest}: descriptor without mediaType`)
  check(DIGEST.test(digest), `${digest}: not a digest`)
  const path = join(layout, 'blobs', digest.replace(':', '/'))
  check(existsSync(path), `${digest}: missing`)
  if (!existsSync(path)) return undefined
  const bytes = readFileSync(path)
  check(
    bytes.length === descriptor['size'],
    `${digest}: ${bytes.length} bytes, not ${String(descriptor['size'])}`,
  )
  check(digestOf(bytes) === digest, `${digest}: its bytes are ${digestOf(bytes)}`)
  return bytes
}

function compressionOf(bytes: Buffer): 'gzip' | 'zstd' | 'none' {
  if (bytes.subarray(0, 2).toString('hex') === '1f8b') return 'gzip'
  return bytes.subarray(0, 4).toString('hex') === '28b52ffd' ? 'zstd' : 'none'
}

function decompress(bytes: Buffer, compression: 'gzip' | 'zstd' | 'none'): Buffer {
  if (compression === 'gzip') return gunzipSync(bytes)
  return compression === 'none' ? bytes : execFileSync('zstd', ['-dc'], { input: bytes, maxBuffer: 1 << 30 })
}

async function tarNames(tar: Buffer): Promise<readonly string[]> {
  const names: string[] = []
  const extractor = extract()
  extractor.end(tar)
  for await (const entry of extractor) {
    names.push(entry.header.name)
    entry.resume()
  }
  return names
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : []
}

function readJson(path: string): Json | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Json) : undefined
}
