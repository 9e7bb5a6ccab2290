import { type Descriptor, type Digest, digestOf, type Job, MEDIA_TYPE, OssbError } from '../core/index.ts'
import { createDigestTap } from '../io/index.ts'
import { type ImageDocument, MAX_DOCUMENT_BYTES, manifestOf, parseImageConfig } from '../oci/index.ts'
import type { ArchiveFiles } from './archive-layout.ts'

/** One image in the manifest.json of `docker save`. */
export interface DockerImageEntry {
  /** Path of the config. */
  readonly Config: string
  readonly RepoTags?: readonly string[] | null | undefined
  /** Paths, base layer first. */
  readonly Layers: readonly string[]
}

/** An image of `docker save` with a manifest, which such archives do not have. */
export interface ConvertedImage {
  readonly manifest: ImageDocument
  /** Where in the archive configs and layers lie. */
  readonly members: ReadonlyMap<Digest, string>
}

/**
 * Writes the manifest for an image of a docker archive: config and layers stay as they are, byte for byte, so that the
 * same archive always gives the same digest. How a layer is compressed is told by its first bytes, not by its name.
 * @throws OssbError ERR_OSSB_IMAGE_INVALID
 */
export async function convertDockerImage(
  files: ArchiveFiles,
  entry: DockerImageEntry,
  job: Job,
): Promise<ConvertedImage> {
  const what = `the image "${entry.RepoTags?.[0] ?? entry.Config}" of "${files.where}"`
  const invalid = (why: string) => new OssbError('ERR_OSSB_IMAGE_INVALID', `Cannot read ${what}: ${why}`)
  const bytes = files.read(memberPath(entry.Config), MAX_DOCUMENT_BYTES)
  if (bytes === undefined) throw invalid(`its config "${entry.Config}" is not there`)
  const { diff_ids: diffIds } = parseImageConfig(bytes, what).rootfs
  if (diffIds.length !== entry.Layers.length)
    throw invalid(`it has ${entry.Layers.length} layers and its config names ${diffIds.length}`)
  const config: Descriptor = { mediaType: MEDIA_TYPE.ociConfig, digest: digestOf(bytes), size: bytes.length }
  const members = new Map<Digest, string>([[config.digest, memberPath(entry.Config)]])
  const layers: Descriptor[] = []
  for (const [at, path] of entry.Layers.entries()) {
    const member = memberPath(path)
    if (files.size(member) === undefined) throw invalid(`its layer "${path}" is not there`)
    const layer = await describeLayer(files, member, diffIds[at] as Digest, job)
    layers.push(layer)
    members.set(layer.digest, member)
  }
  return { manifest: manifestOf(config, layers), members }
}

function memberPath(path: string): string {
  return path.replace(/^(?:\.?\/)+/, '')
}

/** A layer that is a plain tar is named by its config already; what is read of it is checked against that. */
async function describeLayer(
  files: ArchiveFiles,
  path: string,
  diffId: Digest,
  job: Job,
): Promise<Descriptor> {
  const mediaType = layerType(files.read(path, 4) ?? Buffer.alloc(0))
  const size = files.size(path) ?? 0
  if (mediaType === MEDIA_TYPE.ociLayer) return { mediaType, digest: diffId, size }
  const tap = createDigestTap()
  for await (const _chunk of tap.through(files.open(path))) job.signal.throwIfAborted()
  return { mediaType, digest: tap.digest(), size }
}

function layerType(head: Buffer): string {
  if (head[0] === 0x1f && head[1] === 0x8b) return MEDIA_TYPE.ociLayerGzip
  const magic = head.length < 4 ? 0 : head.readUInt32LE()
  const isZstd = magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50
  return isZstd ? MEDIA_TYPE.ociLayerZstd : MEDIA_TYPE.ociLayer
}
