import { redact } from './redact.ts'
import type { SourceRange } from './source-range.ts'

/** Every code an OssbError can carry: what went wrong, by who can mend it. */
export type ErrorCode =
  | 'ERR_OSSB_USAGE'
  | 'ERR_OSSB_REFERENCE_INVALID'
  | 'ERR_OSSB_PLATFORM_INVALID'
  | 'ERR_OSSB_DOCKERFILE'
  | 'ERR_OSSB_CONTEXT'
  | 'ERR_OSSB_NOT_FOUND'
  | 'ERR_OSSB_UNAUTHORIZED'
  | 'ERR_OSSB_REGISTRY'
  | 'ERR_OSSB_NETWORK'
  | 'ERR_OSSB_OFFLINE'
  | 'ERR_OSSB_INTEGRITY'
  | 'ERR_OSSB_IMAGE_INVALID'
  | 'ERR_OSSB_LAYER_INVALID'
  | 'ERR_OSSB_NO_SPACE'
  | 'ERR_OSSB_FILESYSTEM'
  | 'ERR_OSSB_EXECUTOR'
  | 'ERR_OSSB_STEP_FAILED'
  | 'ERR_OSSB_CODEC'
  | 'ERR_OSSB_OUTPUT'
  | 'ERR_OSSB_CACHE'
  | 'ERR_OSSB_INTERRUPTED'
  | 'ERR_OSSB_INTERNAL'

export interface OssbErrorOptions {
  /** What the user can do about it, as one or more sentences. */
  readonly hint?: string
  readonly cause?: unknown
  /** The place in a Dockerfile that the error is about. */
  readonly source?: SourceRange
}

/**
 * The one error that OSSB throws on purpose. The message states the action that failed and why
 * ("Cannot push blob sha256:… to "r.io/x": 401 UNAUTHORIZED"); secrets are removed here, once.
 */
export class OssbError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly source: SourceRange | undefined

  constructor(code: ErrorCode, message: string, options: OssbErrorOptions = {}) {
    super(redact(message), options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'OssbError'
    this.code = code
    this.hint = options.hint === undefined ? undefined : redact(options.hint)
    this.source = options.source
  }
}

/** A RUN whose process ended with a status other than 0; `exitCode` becomes the builder's own exit status. */
export class StepFailedError extends OssbError {
  readonly exitCode: number

  constructor(message: string, exitCode: number, options: OssbErrorOptions = {}) {
    super('ERR_OSSB_STEP_FAILED', message, options)
    this.exitCode = exitCode
  }
}

/** The same error with the Dockerfile lines it is about, unless it names some already. */
export function withSource(error: unknown, source: SourceRange | undefined): unknown {
  if (!(error instanceof OssbError) || error.source !== undefined || source === undefined) return error
  return located(error, source)
}

/** The same error with the text of the file that it is about, when that is `file`. */
export function withSourceText(
  error: unknown,
  { file, text }: Required<Pick<SourceRange, 'file' | 'text'>>,
): unknown {
  if (!(error instanceof OssbError) || error.source?.file !== file) return error
  return located(error, { ...error.source, text })
}

/** The same error with advice that is more likely to help than its own. */
export function withHint(error: unknown, hint: string | undefined): unknown {
  if (!(error instanceof OssbError) || error instanceof StepFailedError || hint === undefined) return error
  const { code, message, source, cause } = error
  return new OssbError(code, message, { hint, cause, ...(source === undefined ? {} : { source }) })
}

function located(error: OssbError, source: SourceRange): OssbError {
  const options = { source, cause: error.cause, ...(error.hint === undefined ? {} : { hint: error.hint }) }
  return error instanceof StepFailedError
    ? new StepFailedError(error.message, error.exitCode, options)
    : new OssbError(error.code, error.message, options)
}

/** EDQUOT of Linux: Node has no name for it. */
const QUOTA_ERRNO = -122

/** The `code` of a Node system error ("ENOENT"), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof Error && 'errno' in error && error.errno === QUOTA_ERRNO) return 'EDQUOT'
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

const FULL: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'disk quota exceeded',
}

/**
 * A file-system failure as an OssbError: a full disk, a quota and a broken disk get advice of their own,
 * whatever was being done when they came. `room` says how much there is of it, where that is known.
 */
export function fileSystemError(action: string, error: unknown, room?: () => string): OssbError {
  if (error instanceof OssbError) return error
  const reason = error instanceof Error ? error.message : String(error)
  const code = errnoOf(error)
  const full = FULL[code ?? '']
  if (full !== undefined) {
    return new OssbError(
      'ERR_OSSB_NO_SPACE',
      `Cannot ${action}: ${full}${room === undefined ? '' : ` (${room()})`}`,
      {
        cause: error,
        hint: 'Free some space ("ossb cache prune" removes cached layers), or choose another disk with --cache-dir or --output dest=.',
      },
    )
  }
  return new OssbError('ERR_OSSB_FILESYSTEM', `Cannot ${action}: ${reason}`, {
    cause: error,
    ...(code === 'EIO'
      ? { hint: 'The disk reports errors: look into the log of the kernel, and choose another disk.' }
      : {}),
  })
}
