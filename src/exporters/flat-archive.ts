import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack as createPack, type Pack } from 'tar-stream'
import { type Digest, digestHex, type Job } from '../core/index.ts'
import { verified } from '../io/index.ts'
import { assembleImage, type ImageDocument, type Layer } from '../oci/index.ts'
import { type DockerArchiveOptions, requireOnePlatform } from './docker-archive.ts'
import { type Exporter, exportedAs } from './exporter.ts'
import { imageContent } from './image-content.ts'
import { describeTarget, writeOutput } from './output-file.ts'

/**
 * Writes an archive for `docker load` in the form of go-containerregistry, without an OCI layout: the config by its
 * digest, each layer as `HEX.tar.gz`, and manifest.json at the end.
 */
export function createFlatArchiveExporter({ dest, names }: DockerArchiveOptions): Exporter {
  return {
    name: 'docker',
    async export(images, job) {
      requireOnePlatform(images.length)
      const content = imageContent(images, { format: 'docker' })
      const [config] = images.map((image) => assembleImage(image, { format: 'docker' }).config)
      // The same layer may be in an image more than once, and is in the archive once.
      const order = images.flatMap((image) =>
        image.layers.map(({ descriptor }) => layerName(descriptor.digest)),
      )
      await writeOutput(dest, archive(config as ImageDocument, content.layers, { names, order }, job), job)
      return { ...exportedAs(content), outputs: [`docker archive ${describeTarget(dest)}`] }
    },
  }
}

function layerName(digest: Digest): string {
  return `${digestHex(digest)}.tar.gz`
}

/** What manifest.json tells beside the config. */
interface Listing {
  readonly names: readonly string[]
  readonly order: readonly string[]
}

async function* archive(
  config: ImageDocument,
  layers: readonly Layer[],
  listing: Listing,
  job: Job,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pack = createPack()
  const filled = fill(pack, config, layers, listing, job).catch((error: Error) => {
    pack.destroy(error)
  })
  for await (const chunk of pack) yield chunk as Uint8Array
  await filled
}

async function fill(
  pack: Pack,
  { descriptor, bytes }: ImageDocument,
  layers: readonly Layer[],
  { names, order }: Listing,
  job: Job,
): Promise<void> {
  const manifest = Buffer.from(
    JSON.stringify([{ Config: descriptor.digest, RepoTags: names, Layers: order }]),
  )
  await add(pack, descriptor.digest, descriptor.size, Readable.from([bytes]))
  for (const layer of layers) {
    job.signal.throwIfAborted()
    await add(pack, layerName(layer.descriptor.digest), layer.descriptor.size, await bytesOf(layer, job))
  }
  await add(pack, 'manifest.json', manifest.length, Readable.from([manifest]))
  pack.finalize()
}

async function bytesOf(layer: Layer, job: Job): Promise<Readable> {
  return Readable.from(verified(await layer.open(job), layer.descriptor, 'the build'))
}

async function add(pack: Pack, name: string, size: number, body: Readable): Promise<void> {
  await pipeline(body, pack.entry({ name, size, mode: 0o644, mtime: new Date(0) }))
}
