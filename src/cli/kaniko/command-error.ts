import { OssbError } from '../../index.ts'

/**
 * A mistake on the command line that is answered with `Error: …` and the usage, as kaniko's programs do. Its text is
 * the one that scripts look for.
 */
export class CommandError extends OssbError {
  constructor(message: string) {
    super('ERR_OSSB_USAGE', message)
    this.name = 'CommandError'
  }
}

/** A mistake that is answered with one line of the log at level fatal. */
export class FatalError extends OssbError {
  constructor(message: string) {
    super('ERR_OSSB_USAGE', message)
    this.name = 'FatalError'
  }
}
