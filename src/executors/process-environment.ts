import type { ProcessUser } from '../fs/index.ts'
import type { ProcessSpec } from './executor.ts'

/** The whole environment of a process: what it was given, and HOME where that says nothing of it. */
export function environmentOf({ env }: Pick<ProcessSpec, 'env'>, { home }: ProcessUser): readonly string[] {
  return env.some((variable) => variable.startsWith('HOME=')) ? env : [...env, `HOME=${home}`]
}
