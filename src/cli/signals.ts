import { OssbError } from '../index.ts'

/** Exit statuses by the shell's convention: 128 and the number of the signal. */
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const
const BROKEN_PIPE = 141

type StopSignal = keyof typeof EXIT_CODES

/** The request to stop that a running command has received, if any. */
export interface Interruption {
  readonly signal: AbortSignal
  /** The exit status that the request asks for; undefined while there was none. */
  exitCode(): number | undefined
}

interface SignalSource {
  on(event: StopSignal, listener: (signal: StopSignal) => void): unknown
  readonly stdout: ErrorSource
  readonly stderr: ErrorSource
}

interface ErrorSource {
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown
}

/**
 * Turns the first SIGINT, SIGTERM or SIGHUP, or a reader of the output that went away, into an abort.
 * Later ones change nothing: what was started is being ended already, and must be.
 */
export function watchSignals(source: SignalSource): Interruption {
  const controller = new AbortController()
  let exitCode: number | undefined
  const stop = (code: number, why: string) => {
    if (exitCode !== undefined) return
    exitCode = code
    controller.abort(new OssbError('ERR_OSSB_INTERRUPTED', why))
  }
  for (const name of Object.keys(EXIT_CODES) as StopSignal[])
    source.on(name, () => stop(EXIT_CODES[name], `Interrupted by ${name}`))
  for (const stream of [source.stdout, source.stderr]) {
    stream.on('error', (error) => {
      if (error.code === 'EPIPE') stop(BROKEN_PIPE, 'The reader of the output went away')
    })
  }
  return { signal: controller.signal, exitCode: () => exitCode }
}
