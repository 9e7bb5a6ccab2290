/** What `--progress json` tells of a build: its steps by name, with how each ended. */
export interface ProgressSummary {
  readonly cached: readonly string[]
  /** Steps that were run to their end, well or not. */
  readonly completed: readonly string[]
  /** Lines of output of all steps. */
  readonly output: readonly string[]
}

interface ProgressLine {
  readonly type: string
  readonly name?: string
  readonly lines?: readonly string[]
}

/** Parses every line; a line that is not JSON is an error. */
export function readProgress(stderr: string): ProgressSummary {
  const lines = stderr.split('\n').filter((line) => line !== '')
  const events = lines.map((line) => JSON.parse(line) as ProgressLine)
  const names = (type: string): string[] =>
    events.filter((event) => event.type === type).map(({ name }) => name ?? '')
  return {
    cached: names('cached'),
    completed: names('completed'),
    output: events.flatMap(({ lines }) => lines ?? []),
  }
}
