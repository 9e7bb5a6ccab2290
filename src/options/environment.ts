export type { RungFinding as RungReport } from '../executors/index.ts'
import type { RungFinding } from '../executors/index.ts'

export type ExecutorChoice = 'auto' | 'rootless' | 'local' | 'traced' | 'container'

/** A step in the search for an executor, and why it can or can't be used. */
export interface ExecutorReport {
  readonly name: 'local' | 'rootless' | 'traced' | 'container'
  /** The weaker form in which it can be used: for reason and remedy of the stronger one, see below. */
  readonly variant?: 'one id' | 'chroot'
  readonly usable: boolean
  /** Why not, with the system call or file that said no. */
  readonly reason?: string
  /** The one command or setting that would help. */
  readonly remedy?: string
}

/** A fact about the environment: "user namespaces", "id range", "overlay", "emulation", … */
export interface EnvironmentFact {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly remedy?: string
}

/** Of the environment that is looked at, or that a build runs in. */
export interface EnvironmentOptions {
  readonly executor: ExecutorChoice
  readonly cacheDir: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface DoctorReport {
  readonly facts: readonly EnvironmentFact[]
  readonly executors: readonly ExecutorReport[]
  readonly rungs: readonly RungFinding[]
  /** The executor that `auto` takes; absent when none is usable. */
  readonly chosen?: 'local' | 'rootless' | 'traced' | 'container'
  /** The number of its rung. */
  readonly rung?: RungFinding['number']
  /** Why that one. */
  readonly because: string
  /** What would give a better one; empty when it is the best there is. */
  readonly better: readonly string[]
}
