import { algorithmOf, type Digest, digestHex } from '../core/index.ts'

/** Where content lies in an OCI layout (image-spec image-layout.md#blobs). */
export function blobPath(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${digestHex(digest)}`
}

/** The directories of a layout that holds this content, each before those in it, with a slash at the end. */
export function blobDirectories(digests: readonly Digest[]): readonly string[] {
  // A layout has the first of them whatever it holds.
  const algorithms = new Set(['sha256', ...digests.map(algorithmOf)])
  return ['blobs/', ...Array.from(algorithms, (algorithm) => `blobs/${algorithm}/`)]
}
