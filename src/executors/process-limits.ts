import { readFileSync } from 'node:fs'
import { OssbError } from '../core/index.ts'

/** A resource limit of a process; -1 is none. */
export interface ProcessLimit {
  /** As Docker names it: "nofile", "nproc", … */
  readonly name: string
  readonly soft: number
  readonly hard: number
}

/** The numbers that Linux has for resources (asm-generic/resource.h, the same on x86-64 and arm64). */
const RESOURCES: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
}

/** What a login gives; select(2) knows no more, and programs that need more raise it themselves. */
const OPEN_FILES = 1024

/** The number of a resource for setrlimit(2). */
export function resourceNumber(name: string): number {
  const number = Object.hasOwn(RESOURCES, name) ? RESOURCES[name] : undefined
  if (number !== undefined) return number
  throw new OssbError('ERR_OSSB_USAGE', `Cannot limit "${name}": there is no such resource`, {
    hint: `Resources: ${Object.keys(RESOURCES).sort().join(', ')}.`,
  })
}

/**
 * The limits that a process gets: those asked for, and the number of open files where that is none of them. Node
 * raises its own to what is allowed at most, which is no default for others.
 */
export function limitsOf(
  asked: readonly ProcessLimit[],
  own: string = readFileSync('/proc/self/limits', 'utf8'),
): readonly ProcessLimit[] {
  if (asked.some(({ name }) => name === 'nofile')) return asked
  const hard = /^Max open files\s+\S+\s+(\d+|unlimited)/m.exec(own)?.[1]
  if (hard === undefined) return asked
  const limit = hard === 'unlimited' ? -1 : Number(hard)
  return [
    { name: 'nofile', soft: limit === -1 ? OPEN_FILES : Math.min(OPEN_FILES, limit), hard: limit },
    ...asked,
  ]
}
