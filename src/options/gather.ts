import type { Writable } from 'node:stream'
import type { BuildOptions } from './build.ts'
import type { RegistryAccess } from './registry.ts'

/** What is to be gathered: the inputs of a build of the target, for each of the platforms. */
export type BundleOptions = LockOptions & {
  /** The archive; "-" is standard output. */
  readonly dest: string
  readonly standardOutput?: Writable
}

/** Whose inputs are to be looked up. */
export type LockOptions = RegistryAccess &
  Pick<
    BuildOptions,
    | 'context'
    | 'buildContexts'
    | 'dockerfile'
    | 'buildArgs'
    | 'target'
    | 'platforms'
    | 'frontend'
    | 'secrets'
    | 'cacheDir'
    | 'inputs'
    | 'standardInput'
  > & {
    /** Where the lock is written; absent is nowhere. */
    readonly lockFile?: string
  }

/** One input, as the lock has it. */
export interface BuildInputSummary {
  readonly kind: 'image' | 'url' | 'git'
  /** As it is written. */
  readonly name: string
  /** A digest, or the name of a commit. */
  readonly identity: string
}

export interface GatherResult {
  readonly inputs: readonly BuildInputSummary[]
  /** What was written, for people. */
  readonly outputs: readonly string[]
}
