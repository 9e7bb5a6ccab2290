/** What is known of a failed upload beside its cause. */
interface FailureOptions {
  /** Where the session was last: it goes on there if at all. */
  readonly location: URL
  /** The size of the request that failed; 0 when absent. */
  readonly bytes?: number
  /** `no-chunks`: the registry does not put chunks together; `lost`: it took the blob and does not have it. */
  readonly kind?: 'no-chunks' | 'lost'
}

/** An upload session that ended without the blob in the registry. Internal to this folder. */
export class UploadFailure extends Error {
  override readonly cause: unknown
  readonly location: URL
  readonly bytes: number
  readonly kind: FailureOptions['kind']

  constructor(cause: unknown, { location, bytes = 0, kind }: FailureOptions) {
    super('the upload failed')
    this.name = 'UploadFailure'
    this.cause = cause
    this.location = location
    this.bytes = bytes
    this.kind = kind
  }
}
