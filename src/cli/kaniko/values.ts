import type { ExecutorFlag } from './executor-flags.ts'
import type { FlagValues } from './flag.ts'

/** What a command line of the executor says. */
export type ExecutorValues = FlagValues<ExecutorFlag>

export type Environment = Readonly<Record<string, string | undefined>>
