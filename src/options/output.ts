/** How layers are compressed. Levels run from 1 (fast) to 9 (small); absent is the default of the codec. */
export type LayerCompression =
  | { readonly type: 'gzip'; readonly level?: number }
  | { readonly type: 'zstd'; readonly level?: number }
  | { readonly type: 'estargz'; readonly level?: number }
  | { readonly type: 'uncompressed' }

/**
 * Where an image goes. `names` that are absent stand for BuildOptions.tags.
 * `dest` of a file may be "-": standard output.
 */
export type OutputSpec =
  /** Kept in the content store of the cache directory (an OCI layout), and pushed as well where `push` is set. */
  | ({ readonly type: 'image'; readonly names?: readonly string[]; readonly push: boolean } & Annotated)
  /** An OCI layout: as one tar file, or as a directory where `tar` is false. */
  | ({
      readonly type: 'oci'
      readonly dest: string
      readonly tar: boolean
      readonly names?: readonly string[]
      /** A directory whose index.json has this image as its only entry, without a name. */
      readonly single?: boolean
    } & Annotated)
  /** An archive for `docker load` and `podman load`. */
  | {
      readonly type: 'docker'
      readonly dest: string
      readonly names?: readonly string[]
      /** Without an OCI layout: the form of go-containerregistry, in which the blobs lie beside manifest.json. */
      readonly flat?: boolean
    }
  /** The final root file systems as a tar. */
  | ({ readonly type: 'tar'; readonly dest: string } & PlatformSplit)
  /** The final root file systems as a directory. */
  | ({ readonly type: 'local'; readonly dest: string } & PlatformSplit)

/** What a document or a descriptor of an image says beside what it must. */
export interface AnnotationSpec {
  readonly level: 'manifest' | 'manifest-descriptor' | 'index' | 'index-descriptor'
  /** Only for the image of this platform; absent is for all. */
  readonly platform?: string
  readonly key: string
  readonly value: string
}

export interface Annotated {
  /** Those of this output alone, which count before BuildOptions.annotations. */
  readonly annotations?: readonly AnnotationSpec[]
}

export interface PlatformSplit {
  /** Whether each platform gets a directory of its own ("linux_arm_v7"); absent is where several are built. */
  readonly platformSplit?: boolean
}
