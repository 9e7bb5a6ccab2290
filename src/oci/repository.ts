import type { Readable } from 'node:stream'
import type { Descriptor, Digest, Job } from '../core/index.ts'

/** Where the bytes behind descriptors can be had. */
export interface BlobSource {
  has(content: Descriptor, job: Job): Promise<boolean>
  /**
   * Opens the content from its start. A reader checks size and digest as it reads (see `verified` in io/):
   * the stream of a remote source is not to be trusted before its end.
   * @throws OssbError ERR_OSSB_NOT_FOUND when the source does not hold it
   */
  open(content: Descriptor, job: Job): Promise<Readable>
}

/** Content that also has names. An archive is one: it can be read, and never be added to. */
export interface ImageSource extends BlobSource {
  /**
   * The descriptor that a tag or digest stands for.
   * @throws OssbError ERR_OSSB_NOT_FOUND
   */
  resolve(tagOrDigest: string, job: Job): Promise<Descriptor>
}

/**
 * Content by descriptor, and names for it: a registry's repository, an OCI layout on disk and a map in memory
 * keep this one contract. Manifests and indexes are content like any other; an implementation tells them
 * by their media type.
 */
export interface Repository extends ImageSource {
  /**
   * Makes the content available here. Nothing is transferred when it is here already. `open` may be called again
   * for a retry. Bytes that do not match `expected` are refused and leave nothing behind.
   */
  put(expected: Descriptor, open: () => Promise<Readable>, job: Job): Promise<void>
  /** Gives a manifest or index that is here a name, and takes the name from whatever had it. */
  tag(manifest: Descriptor, tag: string, job: Job): Promise<void>
}

/**
 * What a repository may know beside its names: which manifests refer to another one by their `subject` (signatures,
 * bills of materials; distribution-spec "Listing Referrers"). A repository that keeps this contract makes a manifest
 * with a subject findable when it is put, so that to copy referrers is to list them here and `put` them there.
 */
export interface ReferrerSource {
  /**
   * The manifests and indexes whose subject this is, with their `artifactType` and `annotations`, each once; none for
   * a subject that nothing refers to, also when the subject itself is not here.
   */
  referrers(subject: Digest, job: Job, options?: ReferrerOptions): Promise<readonly Descriptor[]>
}

export interface ReferrerOptions {
  /** Only referrers of this type; all when absent. */
  readonly artifactType?: string
}

export interface IngestOptions {
  /** `false` for what can be made again: after a crash of the machine it may be damaged. Absent is true. */
  readonly isKept?: boolean
}

/** A blob that is still being made. */
export interface ComingBlob {
  /** Its bytes, once. They fail where it does not come about. */
  readonly bytes: AsyncIterable<Uint8Array>
  readonly descriptor: Promise<Descriptor>
}

/** A repository elsewhere, that can also take a blob before it has a name, in one go. */
export interface StreamedRepository extends Repository {
  /**
   * Makes the blob available here; a `put` of the same meanwhile waits for this. What can be tried again is not: whoever
   * needs the blob here puts it.
   */
  stream(blob: ComingBlob, job: Job): Promise<void>
}

/** A repository on this machine, that can also take content whose digest is not known before its end. */
export interface ContentStore extends Repository {
  /** Stores a stream and names it by what it was: one pass, and all or nothing. */
  ingest(
    mediaType: string,
    chunks: AsyncIterable<Uint8Array>,
    job: Job,
    options?: IngestOptions,
  ): Promise<Descriptor>
  /** Removes content that turned out to be damaged, so that it can be put again. */
  discard(content: Descriptor): void
}
