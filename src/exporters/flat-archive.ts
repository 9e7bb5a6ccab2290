import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack as createPack, type Pack } from 'tar-stream'
import { type Digest, digestHex, type Job } from '../core/index.ts'
import { verified } from '../io/index.ts'
import type { Layer } from '../oci/index.ts'
import type { DockerArchiveOptions } from './docker-archive.ts'
import type { Exporter } from './exporter.ts'
import { type ImageContent, imageContent } from './image-content.ts'
import { describeTarget, writeOutput } from './output-file.ts'
import { onlyImage } from './root-file-system.ts'

/**
 * Writes an archive for `docker load` in the form of go-containerregistry, without an OCI layout: the config by its
 * digest, each layer as `HEX.tar.gz`, and manifest.json at the end.
 */
export function createFlatArchiveExporter({ dest, names }: DockerArchiveOptions): Exporter {
  return {
    name: 'docker',
    async export(images, job) {
      const image = onlyImage(images, 'docker archive')
      const content = imageContent([image], 'docker')
      const order = image.layers.map(({ descriptor }) => layerName(descriptor.digest))
      await writeOutput(dest, archive(content, manifest(content.configDigest, order, names), job), job)
      return {
        descriptor: content.root,
        configDigest: content.configDigest,
        outputs: [`docker archive ${describeTarget(dest)}`],
      }
    },
  }
}

function layerName(digest: Digest): string {
  return `${digestHex(digest)}.tar.gz`
}

function manifest(config: Digest, layers: readonly string[], names: readonly string[]): string {
  return JSON.stringify([{ Config: config, RepoTags: names, Layers: layers }])
}

async function* archive(
  content: ImageContent,
  manifestText: string,
  job: Job,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pack = createPack()
  const filled = fill(pack, content, manifestText, job).catch((error: Error) => {
    pack.destroy(error)
  })
  for await (const chunk of pack) yield chunk as Uint8Array
  await filled
}

async function fill(pack: Pack, content: ImageContent, manifestText: string, job: Job): Promise<void> {
  const config = content.documents.find(({ descriptor }) => descriptor.digest === content.configDigest)
  if (config !== undefined)
    await add(pack, content.configDigest, config.bytes.length, Readable.from([config.bytes]))
  for (const layer of content.layers) {
    job.signal.throwIfAborted()
    const { digest, size } = layer.descriptor
    await add(pack, layerName(digest), size, await bytesOf(layer, job))
  }
  await add(
    pack,
    'manifest.json',
    Buffer.byteLength(manifestText),
    Readable.from([Buffer.from(manifestText)]),
  )
  pack.finalize()
}

async function bytesOf(layer: Layer, job: Job): Promise<Readable> {
  return Readable.from(verified(await layer.open(job), layer.descriptor, 'the build'))
}

async function add(pack: Pack, name: string, size: number, body: Readable): Promise<void> {
  await pipeline(body, pack.entry({ name, size, mode: 0o644, mtime: new Date(0) }))
}
