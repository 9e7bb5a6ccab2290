/** The media types that OSSB reads and writes (image-spec media-types.md; Docker registry API 2.2). */
export const MEDIA_TYPE = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const

const INDEXES: readonly string[] = [MEDIA_TYPE.ociIndex, MEDIA_TYPE.dockerManifestList]
const MANIFESTS: readonly string[] = [MEDIA_TYPE.ociManifest, MEDIA_TYPE.dockerManifest]

export function isIndexType(mediaType: string): boolean {
  return INDEXES.includes(mediaType)
}

export function isManifestType(mediaType: string): boolean {
  return MANIFESTS.includes(mediaType)
}

/** The OCI name of a layer media type: Docker's layer types become OCI's, which name the same bytes. */
export function toOciLayerType(mediaType: string): string {
  if (mediaType === MEDIA_TYPE.dockerLayerGzip) return MEDIA_TYPE.ociLayerGzip
  if (mediaType === MEDIA_TYPE.dockerLayer) return MEDIA_TYPE.ociLayer
  if (mediaType === 'application/vnd.docker.image.rootfs.diff.tar.zstd') return MEDIA_TYPE.ociLayerZstd
  return mediaType
}

/** Docker's name of a layer media type; `undefined` where Docker's manifests have none (zstd). */
export function toDockerLayerType(mediaType: string): string | undefined {
  if (mediaType === MEDIA_TYPE.ociLayerGzip) return MEDIA_TYPE.dockerLayerGzip
  if (mediaType === MEDIA_TYPE.ociLayer) return MEDIA_TYPE.dockerLayer
  return mediaType.startsWith('application/vnd.docker.') ? mediaType : undefined
}
