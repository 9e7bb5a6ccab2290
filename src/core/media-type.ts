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

const DOCKER_TO_OCI_LAYER: Readonly<Record<string, string>> = {
  [MEDIA_TYPE.dockerLayerGzip]: MEDIA_TYPE.ociLayerGzip,
  [MEDIA_TYPE.dockerLayer]: MEDIA_TYPE.ociLayer,
  'application/vnd.docker.image.rootfs.diff.tar.zstd': MEDIA_TYPE.ociLayerZstd,
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip':
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  'application/vnd.docker.image.rootfs.foreign.diff.tar':
    'application/vnd.oci.image.layer.nondistributable.v1.tar',
}

/** The OCI name of a layer media type: Docker's layer types become OCI's, which name the same bytes. */
export function toOciLayerType(mediaType: string): string {
  return DOCKER_TO_OCI_LAYER[mediaType] ?? mediaType
}

/** Docker's name of a layer media type; `undefined` where Docker's manifests have none (zstd). */
export function toDockerLayerType(mediaType: string): string | undefined {
  const oci = toOciLayerType(mediaType)
  if (oci === MEDIA_TYPE.ociLayerZstd) return undefined
  return Object.keys(DOCKER_TO_OCI_LAYER).find((docker) => DOCKER_TO_OCI_LAYER[docker] === oci)
}
