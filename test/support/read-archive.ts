import { createReadStream } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { extract } from 'tar-stream'

export interface ImageDocuments {
  /** Digest of the manifest. */
  readonly digest: string
  readonly manifest: {
    readonly config: { readonly digest: string }
    readonly layers: readonly { readonly digest: string; readonly mediaType: string }[]
  }
  readonly config: ImageConfigDocument
  readonly index: {
    readonly manifests: readonly { readonly digest: string; readonly annotations?: Record<string, string> }[]
  }
}

export interface ImageConfigDocument {
  readonly architecture: string
  readonly created?: string
  readonly config: Readonly<Record<string, unknown>>
  readonly rootfs: { readonly diff_ids: readonly string[] }
  readonly history: readonly { readonly created_by?: string; readonly empty_layer?: boolean }[]
}

const MAX_DOCUMENT_BYTES = 1 << 20

/** The documents of the first image in an OCI archive, as they are, unverified. */
export async function readOciArchive(file: string): Promise<ImageDocuments> {
  const documents = new Map<string, string>()
  const reader = extract()
  const reading = pipeline(createReadStream(file), reader)
  reading.catch(() => {})
  for await (const entry of reader) {
    const { name, size } = entry.header
    if ((size ?? 0) > MAX_DOCUMENT_BYTES) entry.resume()
    else documents.set(name, (await buffer(entry)).toString())
  }
  await reading
  const json = (name: string): unknown => JSON.parse(documents.get(name) ?? fail(`${file} has no ${name}`))
  const blob = (digest: string): unknown => json(`blobs/${digest.replace(':', '/')}`)
  const index = json('index.json') as ImageDocuments['index']
  const digest = index.manifests[0]?.digest ?? fail(`${file} holds no image`)
  const manifest = blob(digest) as ImageDocuments['manifest']
  return { digest, manifest, config: blob(manifest.config.digest) as ImageConfigDocument, index }
}

function fail(message: string): never {
  throw new Error(message)
}
