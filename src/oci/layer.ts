import type { Readable } from 'node:stream'
import type { Descriptor, Digest, Job, Platform } from '../core/index.ts'
import type { ImageConfig } from './types.ts'

/** A layer whose digests are known. `open` gives the bytes that `descriptor` names, verified; it may be called again. */
export interface Layer {
  readonly diffId: Digest
  readonly descriptor: Descriptor
  /** When the step that made it ran (RFC 3339); absent for layers of a base image. */
  readonly created?: string
  /** The repository that is known to hold the blob already ("registry/repository"), for a mount or a skipped push. */
  readonly origin?: string
  /** As its step made it, where compressing it added to its files; absent where it did not. */
  readonly made?: Layer
  open(job: Job): Promise<Readable>
  /** Brings a layer that lies elsewhere to this machine, ahead of its use; absent where it is here. */
  fetch?(job: Job): Promise<void>
  /**
   * The same, for one who reads the layer meanwhile; absent as `fetch`, and undefined where it is here or on its way
   * already.
   */
  follow?(job: Job): Promise<Arrival | undefined>
  /** Says that its bytes are not what they should be, so that they are not used again; absent where nobody needs to know. */
  reject?(): void
}

/** Content on its way to this machine. */
export interface Arrival {
  /**
   * As it comes: found right only when it ends. Where it came damaged and was asked for again, it may be wrong although
   * `whole` is fulfilled: then the content has to be opened where it is now.
   */
  readonly bytes: AsyncIterable<Uint8Array>
  readonly whole: Promise<void>
}

/** What is stated about an image: an in-toto predicate, and the URI of its type. */
export interface Attestation {
  readonly predicateType: string
  readonly predicate: object
}

/** A finished image: all that an exporter needs. `config.rootfs.diff_ids` and `layers` match one to one. */
export interface Image {
  readonly platform: Platform
  readonly config: ImageConfig
  readonly layers: readonly Layer[]
  /** What is stated about it; absent is nothing. */
  readonly attestations?: readonly Attestation[]
}
