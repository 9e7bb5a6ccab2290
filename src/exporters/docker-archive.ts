import { type Digest, familiarReference, OssbError, parseReference } from '../core/index.ts'
import { assembleImage, blobPath } from '../oci/index.ts'
import { blobArchive } from './blob-archive.ts'
import { type Exporter, exportedAs } from './exporter.ts'
import { imageContent } from './image-content.ts'
import { createdOf, layoutEntries, serializeLayoutIndex } from './layout-index.ts'
import { describeTarget, type OutputTarget, writeOutput } from './output-file.ts'

export interface DockerArchiveOptions {
  readonly dest: OutputTarget
  readonly names: readonly string[]
}

/**
 * Writes an archive that `docker load`, `podman load` and containerd take alike: an OCI layout with Docker's media
 * types, and the manifest.json that `docker save` writes.
 */
export function createDockerArchiveExporter(options: DockerArchiveOptions): Exporter {
  return {
    name: 'docker',
    async export(images, job) {
      requireOnePlatform(images.length)
      const content = imageContent(images, { format: 'docker' })
      const [config] = images.map(
        (image) => assembleImage(image, { format: 'docker' }).config.descriptor.digest,
      )
      // The same layer may be in an image more than once.
      const layers = images.flatMap((image) =>
        image.layers.map(({ descriptor }) => blobPath(descriptor.digest)),
      )
      const archive = {
        index: serializeLayoutIndex(
          layoutEntries({ ...content, ...createdOf(images), names: options.names }),
        ),
        dockerManifest: dockerManifest(config as Digest, layers, options.names),
      }
      await writeOutput(options.dest, blobArchive(content, archive, job), job)
      return {
        ...exportedAs(content),
        outputs: [`docker archive ${describeTarget(options.dest)}`],
      }
    },
  }
}

/** @throws OssbError ERR_OSSB_USAGE for several platforms: `docker load` takes one */
export function requireOnePlatform(count: number): void {
  if (count === 1) return
  throw new OssbError(
    'ERR_OSSB_USAGE',
    `Cannot write images for ${count} platforms to one docker archive: docker exporter does not currently support exporting manifest lists`,
    { hint: 'Build one platform, or use --output type=oci, which holds them all.' },
  )
}

function dockerManifest(config: Digest, layers: readonly string[], names: readonly string[]): string {
  const tags = names.map((name) => familiarReference(parseReference(name)))
  return JSON.stringify([
    { Config: blobPath(config), RepoTags: tags.length === 0 ? null : tags, Layers: layers },
  ])
}
