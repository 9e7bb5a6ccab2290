import { statSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, formatPlatform, type Job, OssbError } from '../core/index.ts'
import { standIn } from '../frontends/index.ts'
import type { ConfigResolver } from '../graph/index.ts'
import { createSemaphore } from '../io/index.ts'
import type { BuildOptions } from '../options/index.ts'
import { canCheckOut, canDownload, download, resolveCommit, type SourceServices } from '../sources/index.ts'
import type { InputArchive } from './input-archive.ts'
import { LOCK_FILE, type LockEntry, lockDifference, lockKey, readLock } from './input-lock.ts'
import { inputLines, inputName, type NeededInput } from './needed-inputs.ts'

/** How many inputs are looked up at once. */
const AT_ONCE = 4

/** What finds out what inputs are. */
export interface InputServices {
  readonly resolve: ConfigResolver
  readonly sources: SourceServices
}

/** Looks at the inputs of a build before anything of it is carried out, and tells of all that is wrong at once. */
export interface InputCheck {
  /** Finds images. One that may not be asked for is stood in for, until `check` tells of it. */
  readonly resolve: ConfigResolver
  /**
   * @throws OssbError ERR_OSSB_OFFLINE that lists what is not on this machine, ERR_OSSB_INTEGRITY that lists what is not
   *   as the lock says
   */
  check(needed: readonly NeededInput[], job: Job): Promise<void>
}

export interface InputCheckOptions extends InputServices {
  /** Whether some hosts may not be connected to. */
  readonly isLimited: boolean
  readonly lock?: Lock
}

export interface Lock {
  /** Where it is, for messages. */
  readonly name: string
  readonly entries: readonly LockEntry[]
}

export function createInputCheck(options: InputCheckOptions): InputCheck {
  const missing = new Map<string, NeededInput>()
  const resolve: ConfigResolver = async (reference, platform, job) => {
    try {
      return await options.resolve(reference, platform, job)
    } catch (error) {
      if (!options.isLimited || !isOffline(error)) throw error
      const input = { kind: 'image', reference, platform } as const
      missing.set(imageKey(input), input)
      return await standIn(reference, platform, job)
    }
  }
  return {
    resolve,
    async check(needed, job) {
      if (options.isLimited) await requireAll(needed, missing, options.sources)
      if (options.lock !== undefined) await requireLocked(needed, options.lock, { ...options, resolve }, job)
    },
  }
}

function imageKey({ reference, platform }: Extract<NeededInput, { kind: 'image' }>): string {
  return JSON.stringify([reference, formatPlatform(platform)])
}

/** Mirrors are asked in turn, so that the refusal may be one of several causes. */
function isOffline(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof OssbError && error.code === 'ERR_OSSB_OFFLINE') return true
  return isOffline(error.cause) || (error instanceof AggregateError && error.errors.some(isOffline))
}

async function requireAll(
  needed: readonly NeededInput[],
  missing: ReadonlyMap<string, NeededInput>,
  sources: SourceServices,
): Promise<void> {
  const absent: NeededInput[] = []
  const unplaced = new Map(missing)
  for (const input of needed) {
    if (input.kind === 'image') {
      if (missing.has(imageKey(input))) absent.push(input)
      unplaced.delete(imageKey(input))
    } else if (input.kind === 'git' ? !canCheckOut(input.git, sources) : !(await canDownload(input, sources)))
      absent.push(input)
  }
  const lines = inputLines([...absent, ...unplaced.values()].map((input) => ({ input })))
  if (lines.length === 0) return
  const what = lines.length === 1 ? '1 input is' : `${lines.length} inputs are`
  throw new OssbError(
    'ERR_OSSB_OFFLINE',
    [`Cannot build: ${what} not on this machine, and may not be asked for`, ...lines].join('\n'),
    {
      hint: 'Gather them where there is a network with "ossb bundle inputs.tar CONTEXT" and build with --inputs inputs.tar, or name hosts with --allow-host.',
    },
  )
}

async function requireLocked(
  needed: readonly NeededInput[],
  { name, entries }: Lock,
  services: InputServices,
  job: Job,
): Promise<void> {
  const expected = new Map(entries.map((entry) => [lockKey(entry), entry]))
  const found = await lockEntriesOf(needed, services, job)
  const lines = inputLines(
    needed.flatMap((input, i) => {
      const entry = found[i] as LockEntry
      const note = lockDifference(expected.get(lockKey(entry)), entry)
      return note === undefined ? [] : [{ input, note }]
    }),
  )
  if (lines.length === 0) return
  const what = lines.length === 1 ? '1 input is' : `${lines.length} inputs are`
  throw new OssbError(
    'ERR_OSSB_INTEGRITY',
    [`Cannot build: ${what} not as ${name} says`, ...lines].join('\n'),
    { hint: 'Where that is meant to be so, write the lock anew with "ossb lock" or "ossb bundle --lock".' },
  )
}

/** What inputs are now, in their order. After a failure nothing goes on. */
export async function lockEntriesOf(
  needed: readonly NeededInput[],
  services: InputServices,
  job: Job,
): Promise<readonly LockEntry[]> {
  const places = createSemaphore(AT_ONCE)
  const running = needed.map((input) => places.run(() => lockEntryOf(input, services, job), job.signal))
  await Promise.allSettled(running)
  return await Promise.all(running)
}

/** What an input is now. A file is downloaded for that, an image and a repository are only asked for. */
async function lockEntryOf(
  input: NeededInput,
  { resolve, sources }: InputServices,
  job: Job,
): Promise<LockEntry> {
  const name = inputName(input)
  switch (input.kind) {
    case 'image': {
      const { root, manifest } = await resolve(input.reference, input.platform, job)
      const platforms: Record<string, Digest> = { [formatPlatform(input.platform)]: manifest.digest }
      return { kind: 'image', name, digest: (root ?? manifest).digest, platforms }
    }
    case 'url': {
      const { checksum } = input
      const file = await download(
        { url: input.url, ...(checksum === undefined ? {} : { checksum }) },
        sources,
        job,
      )
      return { kind: 'url', name, digest: file.digest, size: statSync(file.path).size }
    }
    case 'git':
      return { kind: 'git', name, commit: await resolveCommit(input.git, sources, job) }
    default:
      return input satisfies never
  }
}

/**
 * The lock that a build is held to: the one that is named, else `ossb.lock` in the context, else that of the inputs.
 * @throws OssbError ERR_OSSB_USAGE where there is none
 */
export function findLock(
  { locked, lockFile, context }: Pick<BuildOptions, 'locked' | 'lockFile' | 'context'>,
  archive: InputArchive | undefined,
): Lock | undefined {
  if (locked !== true) return undefined
  if (lockFile !== undefined) return { name: `"${lockFile}"`, entries: readLock(lockFile) }
  const own = join(context, LOCK_FILE)
  if (statSync(own, { throwIfNoEntry: false })?.isFile() === true)
    return { name: `"${own}"`, entries: readLock(own) }
  if (archive !== undefined) return { name: 'the lock of the inputs', entries: archive.lock }
  throw new OssbError('ERR_OSSB_USAGE', `Cannot build with --locked: there is no "${own}"`, {
    hint: 'Write it with "ossb lock", or name another with --lock.',
  })
}
