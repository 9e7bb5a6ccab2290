import {
  type OptionTable,
  type HelpFlags,
  type CacheFlags,
  type ReportFlags,
  HELP,
  CACHE_DIR,
  FORMAT,
} from './option-table.ts'

export interface CacheInfoFlags extends HelpFlags, CacheFlags, ReportFlags {}

export interface CacheVerifyFlags extends HelpFlags, CacheFlags, ReportFlags {}

export interface CachePruneFlags extends HelpFlags, CacheFlags {
  readonly all: boolean
  readonly 'older-than': string | undefined
  readonly 'keep-storage': string | undefined
  readonly filter: readonly string[]
  readonly force: boolean
}

export const CACHE_INFO_OPTIONS: OptionTable<CacheInfoFlags> = { ...CACHE_DIR, ...FORMAT, ...HELP }

export const CACHE_VERIFY_OPTIONS: OptionTable<CacheVerifyFlags> = { ...CACHE_DIR, ...FORMAT, ...HELP }

export const CACHE_PRUNE_OPTIONS: OptionTable<CachePruneFlags> = {
  ...CACHE_DIR,
  all: {
    alias: 'a',
    type: 'flag',
    group: 'Cache',
    description: 'Remove images kept by name, too: everything.',
  },
  'older-than': {
    type: 'text',
    value: 'TIME',
    group: 'Cache',
    description: 'Remove only what was not used for so long, for example 12h or 7d.',
  },
  'keep-storage': {
    type: 'text',
    value: 'SIZE',
    group: 'Cache',
    description:
      'Remove only what was used least recently, until the cache is no larger than this, for example 10g.',
  },
  filter: {
    type: 'list',
    value: 'KEY=VALUE',
    group: 'Cache',
    description:
      'Remove only what fits: type=steps, snapshots, downloads or mounts (several types: any of them), or until=TIME, the same as --older-than. Repeatable.',
  },
  force: { type: 'flag', group: 'Cache', description: 'Do not ask.' },
  ...HELP,
}
