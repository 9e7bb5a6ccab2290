import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack as createPack, type Pack } from 'tar-stream'
import type { Job } from '../core/index.ts'
import { verified } from '../io/index.ts'
import { blobDirectories, blobPath, type ImageDocument, type Layer } from '../oci/index.ts'
import { OCI_LAYOUT_FILE } from './layout-index.ts'

interface ArchiveFile {
  readonly name: string
  readonly mode: number
  readonly size: number
  open(): Promise<Readable>
}

export interface ArchiveOptions {
  /** Text of index.json. */
  readonly index: string
  /** Text of Docker's manifest.json; absent for a plain OCI layout. */
  readonly dockerManifest?: string
  /** Texts of further files, by names that come after "oci-layout". */
  readonly files?: Readonly<Record<string, string>>
}

/** Blobs, as those that are opened when they are written, and those that are small. */
export interface BlobContent {
  readonly layers: readonly Pick<Layer, 'descriptor' | 'open'>[]
  readonly documents: readonly ImageDocument[]
}

/**
 * An OCI layout as a tar: entries sorted by name, without times and owners, so that equal content gives equal bytes.
 * The stream ends with an error when a blob is not what its descriptor says.
 */
export async function* blobArchive(
  content: BlobContent,
  options: ArchiveOptions,
  job: Job,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pack = createPack()
  const filled = fill(pack, content, options, job).catch((error: Error) => {
    pack.destroy(error)
  })
  for await (const chunk of pack) yield chunk as Uint8Array
  await filled
}

async function fill(pack: Pack, content: BlobContent, options: ArchiveOptions, job: Job): Promise<void> {
  const digests = [...content.layers, ...content.documents].map(({ descriptor }) => descriptor.digest)
  for (const directory of blobDirectories(digests)) addDirectory(pack, directory)
  const files = [
    ...blobFiles(content, job),
    textFile('index.json', options.index),
    ...(options.dockerManifest === undefined ? [] : [textFile('manifest.json', options.dockerManifest)]),
    textFile('oci-layout', OCI_LAYOUT_FILE),
    ...Object.entries(options.files ?? {}).map(([name, text]) => textFile(name, text)),
  ]
  for (const file of files) {
    job.signal.throwIfAborted()
    const body = await file.open()
    await pipeline(body, pack.entry(header(file.name, file.mode, file.size)))
  }
  pack.finalize()
}

function addDirectory(pack: Pack, name: string): void {
  pack.entry({ ...header(name, 0o755, 0), type: 'directory' })
}

function header(name: string, mode: number, size: number) {
  return { name, mode, size, uid: 0, gid: 0, mtime: new Date(0) }
}

function blobFiles(content: BlobContent, job: Job): readonly ArchiveFile[] {
  const layers = content.layers.map((layer) => ({
    descriptor: layer.descriptor,
    open: async () => Readable.from(verified(await layer.open(job), layer.descriptor, 'the build')),
  }))
  const documents = content.documents.map(({ descriptor, bytes }) => ({
    descriptor,
    open: async () => Readable.from([bytes]),
  }))
  return [...layers, ...documents]
    .map(({ descriptor, open }) => ({
      name: blobPath(descriptor.digest),
      mode: 0o444,
      size: descriptor.size,
      open,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function textFile(name: string, text: string): ArchiveFile {
  const bytes = Buffer.from(text)
  return { name, mode: 0o644, size: bytes.length, open: async () => Readable.from([bytes]) }
}
