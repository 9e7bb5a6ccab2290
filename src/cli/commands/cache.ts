import {
  type CacheInfo,
  type CachePruneOptions,
  type CachePruneResult,
  type CacheVerifyResult,
  formatBytes,
  type Job,
} from '../../index.ts'
import type { Api } from '../api.ts'
import { cacheDirectory } from '../cache-directory.ts'
import type { Host } from '../host.ts'
import { enterNamespace } from '../namespace.ts'
import type { CacheInfoFlags, CachePruneFlags, CacheVerifyFlags } from '../cache-option-table.ts'
import { pruneChoice } from '../prune-flags.ts'
import { usageError } from '../usage-error.ts'

export async function runCacheInfo(flags: CacheInfoFlags, host: Host, api: Api): Promise<number> {
  const cacheDir = cacheDirectory(flags['cache-dir'], host.environment)
  const inner = await enterNamespace({ executor: 'auto', cacheDir, args: host.args }, host, api)
  if (inner !== undefined) return inner
  const info = await api.cacheInfo(cacheDir, silentJob(host))
  const text = flags.format === 'json' ? JSON.stringify(info, undefined, 2) : cacheInfoText(info)
  host.stdout.write(`${text}\n`)
  return 0
}

/** Answers 1 where something was damaged. */
export async function runCacheVerify(flags: CacheVerifyFlags, host: Host, api: Api): Promise<number> {
  const cacheDir = cacheDirectory(flags['cache-dir'], host.environment)
  const inner = await enterNamespace({ executor: 'auto', cacheDir, args: host.args }, host, api)
  if (inner !== undefined) return inner
  const result = await api.cacheVerify(cacheDir, silentJob(host))
  const text = flags.format === 'json' ? JSON.stringify(result, undefined, 2) : verifyText(result)
  host.stdout.write(`${text}\n`)
  return result.damaged.length + result.missing.length === 0 ? 0 : 1
}

function verifyText({ blobs, damaged, missing }: CacheVerifyResult): string {
  return [
    `Read ${counted(blobs.count, 'blob')} (${formatBytes(blobs.bytes)}): ${damaged.length + missing.length === 0 ? 'all is well' : 'something is wrong'}`,
    ...damaged.map((digest) => `  damaged, and removed: ${digest}`),
    ...missing.map((name) => `  the image is not there: ${name}`),
  ].join('\n')
}

export async function runCachePrune(flags: CachePruneFlags, host: Host, api: Api): Promise<number> {
  const cacheDir = cacheDirectory(flags['cache-dir'], host.environment)
  const choice = pruneChoice(flags)
  if (!flags.force && !(await confirmed({ cacheDir, ...choice }, host))) {
    host.stdout.write('Nothing was removed.\n')
    return 1
  }
  // The one inside must not ask again.
  const args = flags.force ? host.args : [...host.args, '--force']
  const inner = await enterNamespace({ executor: 'auto', cacheDir, args }, host, api)
  if (inner !== undefined) return inner
  const result = await api.cachePrune({ cacheDir, ...choice }, silentJob(host))
  host.stdout.write(`${pruneText(result)}\n`)
  return 0
}

async function confirmed({ cacheDir, all, ...some }: CachePruneOptions, host: Host): Promise<boolean> {
  if (host.stdin.isTTY !== true || host.stderr.isTTY !== true)
    throw usageError(
      'Cannot ask whether to prune the cache: there is no terminal',
      'Add --force to remove without asking.',
    )
  const isChosen = Object.keys(some).length > 0
  const what = isChosen
    ? 'what was chosen'
    : all
      ? 'everything, images kept by name too'
      : 'what no image kept by name needs'
  const answer = await host.ask(`Remove ${what}, from ${cacheDir}? [y/N] `)
  return /^y(es)?$/i.test(answer.trim())
}

function silentJob(host: Host): Job {
  return { signal: host.interruption.signal, emit: () => undefined }
}

/** What the cache holds, as a table. */
function cacheInfoText(info: CacheInfo): string {
  const rows = [
    ['blobs', `${info.blobs.count}`, formatBytes(info.blobs.bytes)],
    ['snapshots', `${info.snapshots.count}`, formatBytes(info.snapshots.bytes)],
    ['steps', `${info.steps.count}`, `of ${info.steps.exec} RUN and ${info.steps.file} other steps`],
    ['downloads', `${info.downloads.count}`, formatBytes(info.downloads.bytes)],
    ['mounts', `${info.mounts.count}`, formatBytes(info.mounts.bytes)],
  ]
  const { hits, misses } = info.found
  return [
    `Cache ${info.directory}: ${formatBytes(info.totalBytes)}`,
    ...rows.map(([name = '', count = '', size = '']) =>
      `  ${name.padEnd(10)}${count.padStart(6)}  ${size}`.trimEnd(),
    ),
    `Steps found: ${hits.exec} RUN and ${hits.file} others; carried out: ${misses.exec} and ${misses.file}`,
    ...(info.images.length === 0 ? [] : ['Images kept by name:']),
    ...info.images.map(({ name, digest, bytes }) => `  ${name}  ${digest}  ${formatBytes(bytes)}`),
  ].join('\n')
}

function pruneText(result: CachePruneResult): string {
  const { removedBlobs, removedSnapshots, removedSteps, removedBytes } = result
  const what = [
    counted(removedBlobs, 'blob'),
    counted(removedSnapshots, 'root file system'),
    counted(removedSteps, 'step result'),
  ]
  return `Removed ${what.join(', ')}: ${formatBytes(removedBytes)}`
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
