import { familiarReference, parseReference } from '../core/index.ts'
import { blobPath } from '../oci/index.ts'
import { blobArchive } from './blob-archive.ts'
import type { Exporter } from './exporter.ts'
import { type ImageContent, imageContent } from './image-content.ts'
import { createdOf, layoutEntries, serializeLayoutIndex } from './layout-index.ts'
import { describeTarget, type OutputTarget, writeOutput } from './output-file.ts'
import { onlyImage } from './root-file-system.ts'

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
      const image = onlyImage(images, 'docker archive')
      const content = imageContent([image], 'docker')
      const layers = image.layers.map(({ descriptor }) => blobPath(descriptor.digest))
      const archive = {
        index: serializeLayoutIndex(
          layoutEntries({ ...content, ...createdOf(images), names: options.names }),
        ),
        dockerManifest: dockerManifest(content, layers, options.names),
      }
      await writeOutput(options.dest, blobArchive(content, archive, job), job)
      return {
        descriptor: content.root,
        configDigest: content.configDigest,
        outputs: [`docker archive ${describeTarget(options.dest)}`],
      }
    },
  }
}

function dockerManifest(content: ImageContent, layers: readonly string[], names: readonly string[]): string {
  const tags = names.map((name) => familiarReference(parseReference(name)))
  return JSON.stringify([
    { Config: blobPath(content.configDigest), RepoTags: tags.length === 0 ? null : tags, Layers: layers },
  ])
}
