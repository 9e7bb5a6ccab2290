import type { CachePart, CachePruneOptions } from '../index.ts'
import type { CachePruneFlags } from './cache-option-table.ts'
import { parseSize } from './size.ts'
import { usageError } from './usage-error.ts'

const PARTS: readonly CachePart[] = ['steps', 'snapshots', 'downloads', 'mounts']

type PruneFlags = Pick<CachePruneFlags, 'all' | 'older-than' | 'keep-storage' | 'filter'>

/** What `ossb cache prune` is to remove. @throws OssbError ERR_OSSB_USAGE */
export function pruneChoice(flags: PruneFlags): Omit<CachePruneOptions, 'cacheDir'> {
  const filters = flags.filter.map(readFilter)
  const parts = filters.flatMap((filter) => filter.part ?? [])
  const ages = [
    ...(flags['older-than'] === undefined ? [] : [readTime('--older-than', flags['older-than'])]),
    ...filters.flatMap((filter) => filter.olderThanMs ?? []),
  ]
  const keep = flags['keep-storage']
  if (flags.all && (parts.length > 0 || ages.length > 0 || keep !== undefined))
    throw usageError('Cannot use --all with what chooses a part', 'Leave out --all: named images stay then.')
  return {
    all: flags.all,
    ...(ages.length === 0 ? {} : { olderThanMs: Math.max(...ages) }),
    ...(keep === undefined ? {} : { keepBytes: parseSize('keep-storage', keep) }),
    ...(parts.length === 0 ? {} : { parts }),
  }
}

function readFilter(text: string): { readonly part?: CachePart; readonly olderThanMs?: number } {
  const [, key = '', value = ''] = /^([^=]*)=(.*)$/.exec(text) ?? []
  if (key === 'until') return { olderThanMs: readTime('--filter until=', value) }
  const part = PARTS.find((one) => one === value)
  if (key === 'type' && part !== undefined) return { part }
  throw usageError(
    `Cannot use --filter ${text}: there is no such filter`,
    `Write type=${PARTS.join(', type=')}, or until=7d.`,
  )
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function readTime(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text)
  if (match !== null) return Number(match[1]) * (UNITS[match[2] ?? ''] ?? 0)
  throw usageError(
    `Cannot use ${flag} ${text}: it is not a time`,
    'Write seconds, minutes, hours or days: 90s, 30m, 12h, 7d.',
  )
}
