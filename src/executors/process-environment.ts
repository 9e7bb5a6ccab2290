import type { ProcessUser } from '../fs/index.ts'
import type { ProcessSpec } from './executor.ts'

/** The whole environment of a process: what it was given, and HOME and HOSTNAME where that says nothing of them. */
export function environmentOf(
  { env, hostname }: Pick<ProcessSpec, 'env' | 'hostname'>,
  { home }: ProcessUser,
): readonly string[] {
  const defaults = [`HOME=${home}`, `HOSTNAME=${hostname}`]
  return [...env, ...defaults.filter((one) => !env.some((own) => nameOf(own) === nameOf(one)))]
}

function nameOf(variable: string): string {
  return variable.slice(0, variable.indexOf('='))
}
