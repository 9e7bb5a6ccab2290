import type { Descriptor, Digest } from '../core/index.ts'
import type { HistoryEntry, ImageConfig } from '../oci/index.ts'
import type { RegistryAccess } from './registry.ts'

/** What a command that finds and places images by location works with. */
interface ImageAccess extends RegistryAccess {
  readonly cacheDir: string
}

/**
 * A copy of an image. Places are `REFERENCE`, `docker://REFERENCE`, `oci:DIRECTORY[:NAME|@DIGEST]`,
 * `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME|@NUMBER]` or `cache:NAME`.
 */
export interface CopyImageOptions extends ImageAccess {
  readonly source: string
  readonly destination: string
  /** Tags that the image gets beside that of `destination`. */
  readonly tags: readonly string[]
  /**
   * Of an index: `all` is the index itself; one platform is the image for it, several are an index of them; none is
   * the image for this machine.
   */
  readonly platforms: readonly string[] | 'all'
  /** Copy what refers to the image as well: signatures, attestations, bills of materials. */
  readonly referrers: boolean
  /** See BuildOptions. */
  readonly chunkBytes?: number
}

/** An image for a directory of base images: see BuildOptions.baseImages. */
export interface WarmImageOptions extends ImageAccess {
  /** A reference. */
  readonly image: string
  readonly directory: string
  /** Absent is this machine's own. */
  readonly platform?: string
  /** Bring it also when it is there. */
  readonly again?: boolean
}

export interface WarmImageResult {
  /** Of the manifest. */
  readonly digest: Digest
  /** The OCI layout that holds it. */
  readonly directory: string
  readonly wasThere: boolean
}

export interface CopyImageResult {
  readonly descriptor: Descriptor
  /** Where the image is now, in the words that name a place. */
  readonly names: readonly string[]
  /** How many referrers were copied with it. */
  readonly referrers: number
}

export interface InspectImageOptions extends ImageAccess {
  readonly image: string
  /** Of an index, look at the image for this platform. */
  readonly platform?: string
  /** Say what refers to it. */
  readonly referrers: boolean
}

/** One entry of an index. */
export interface InspectedEntry {
  readonly descriptor: Descriptor
  /** Bytes of its config and layers; absent where the entry is no image. */
  readonly totalSize?: number
}

export interface ImageInspection {
  readonly reference: string
  readonly descriptor: Descriptor
  /** The bytes that `descriptor` names. */
  readonly raw: Buffer
  readonly annotations: Readonly<Record<string, string>>
  /** Of an index. */
  readonly entries?: readonly InspectedEntry[]
  /** Of one image. */
  readonly image?: InspectedImage
  /** What refers to it; absent when that was not asked for. */
  readonly referrers?: readonly Descriptor[]
}

export interface InspectedImage {
  /** `os/architecture[/variant]`. */
  readonly platform: string
  readonly config: ImageConfig
  readonly configDescriptor: Descriptor
  readonly layers: readonly Descriptor[]
  /** Bytes of config and layers, as they are stored. */
  readonly totalSize: number
  readonly history: readonly InspectedStep[]
}

/** A line of an image's history, and the layer that it made. */
export interface InspectedStep {
  readonly entry?: HistoryEntry
  readonly layer?: Descriptor
}

export interface CreateIndexOptions extends ImageAccess {
  /** As CopyImageOptions.destination: a registry, an OCI layout, an archive or the cache. */
  readonly destination: string
  /** Images and indexes, in the order that the index will have. */
  readonly sources: readonly string[]
  /** Begin with what the index at the destination holds. */
  readonly append: boolean
  /** Of several images for one platform take the last; else they are an error. */
  readonly replace: boolean
  readonly annotations: Readonly<Record<string, string>>
  readonly tags: readonly string[]
  readonly imageFormat: 'oci' | 'docker'
  /** See BuildOptions. */
  readonly chunkBytes?: number
}

export interface CreateIndexResult {
  readonly descriptor: Descriptor
  readonly names: readonly string[]
  /** The platforms of the images in it, in order. */
  readonly platforms: readonly string[]
}
