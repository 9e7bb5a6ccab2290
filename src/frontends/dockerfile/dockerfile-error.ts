import { OssbError, type OssbErrorOptions, type SourceRange } from '../../core/index.ts'

/** An error in a Dockerfile. Functions that do not know their place leave `source` out: see `locate()`. */
export function dockerfileError(message: string, options: OssbErrorOptions = {}): OssbError {
  return new OssbError('ERR_OSSB_DOCKERFILE', message, options)
}

/** Runs `work`; an error that it throws without a place gets `range`. */
export function locate<T>(range: SourceRange, work: () => T, prefix = ''): T {
  try {
    return work()
  } catch (error) {
    throw located(error, range, prefix)
  }
}

/** Runs the parser of one instruction: its errors get the place, and say the line in their text. */
export function locateParse<T>(range: SourceRange, work: () => T): T {
  return locate(range, work, `dockerfile parse error on line ${range.startLine}: `)
}

function located(error: unknown, source: SourceRange, prefix: string): unknown {
  if (!(error instanceof OssbError) || error.source !== undefined) return error
  return new OssbError(error.code, prefix + error.message, {
    source,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  })
}
