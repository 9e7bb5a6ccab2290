import type { Writable } from 'node:stream'
import type { Interruption } from './signals.ts'

/** A stream for text that may be a terminal. */
export type TextStream = Writable & {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/** What the program takes from its process; a test gives its own. */
export interface Host {
  /** The arguments after the name of the program. */
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The working directory. */
  readonly directory: string
  /** The command that starts this program again; `args` follow. */
  readonly self: readonly string[]
  readonly stdin: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean }
  readonly stdout: TextStream
  readonly stderr: TextStream
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly interruption: Interruption
  /** Puts a question to the person at the terminal. */
  ask(question: string): Promise<string>
  /** The same, and does not show the answer. */
  askSecret(question: string): Promise<string>
}
