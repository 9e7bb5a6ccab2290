import { readFileSync } from 'node:fs'
import * as v from 'valibot'
import { type Digest, fileSystemError, isDigest, OssbError } from '../core/index.ts'

/** What one input of a build was found to be. `name` is as it is written, without user and password. */
export type LockEntry = ImageLock | UrlLock | GitLock

export interface ImageLock {
  readonly kind: 'image'
  readonly name: string
  /** Of what the name stands for: an index, or a manifest. */
  readonly digest: Digest
  /** The manifest that is used on each platform. */
  readonly platforms: Readonly<Record<string, Digest>>
}

export interface UrlLock {
  readonly kind: 'url'
  readonly name: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

export interface GitLock {
  readonly kind: 'git'
  readonly name: string
  readonly commit: string
}

const digest = v.custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'not a digest')

const lockFile = v.object({
  version: v.literal(1),
  inputs: v.array(
    v.variant('kind', [
      v.object({
        kind: v.literal('image'),
        name: v.string(),
        digest,
        platforms: v.record(v.string(), digest),
      }),
      v.object({ kind: v.literal('url'), name: v.string(), digest, size: v.number() }),
      v.object({ kind: v.literal('git'), name: v.string(), commit: v.string() }),
    ]),
  ),
})

/** The name of a lock file in a context, and in an archive of inputs. */
export const LOCK_FILE = 'ossb.lock'

/** A lock file: the same entries in whatever order give the same text. */
export function formatLock(entries: readonly LockEntry[]): string {
  return `${JSON.stringify({ version: 1, inputs: mergeLocks(entries) }, undefined, 2)}\n`
}

/** Each input once, sorted by kind and name, with all platforms of an image. */
export function mergeLocks(entries: readonly LockEntry[]): readonly LockEntry[] {
  const merged = new Map<string, LockEntry>()
  for (const entry of entries) {
    const known = merged.get(lockKey(entry))
    if (known !== undefined && identityOf(known) !== identityOf(entry))
      throw new OssbError('ERR_OSSB_INTEGRITY', `Cannot lock "${entry.name}": it changed in the meantime`, {
        hint: 'Try again.',
      })
    merged.set(
      lockKey(entry),
      known?.kind === 'image' && entry.kind === 'image'
        ? { ...known, platforms: sorted({ ...known.platforms, ...entry.platforms }) }
        : entry,
    )
  }
  return [...merged.values()].sort((a, b) => (lockKey(a) < lockKey(b) ? -1 : 1))
}

function sorted<T>(record: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}

export function lockKey({ kind, name }: Pick<LockEntry, 'kind' | 'name'>): string {
  return `${kind} ${name}`
}

/** @throws OssbError ERR_OSSB_USAGE for a file that is not there or no lock file */
export function readLock(path: string): readonly LockEntry[] {
  try {
    return parseLock(readFileSync(path), `"${path}"`)
  } catch (error) {
    throw fileSystemError(`read the lock file "${path}"`, error)
  }
}

/** @throws OssbError ERR_OSSB_USAGE that names `what` */
export function parseLock(bytes: Buffer, what: string): readonly LockEntry[] {
  const parsed = v.safeParse(lockFile, parseJson(bytes))
  if (parsed.success) return parsed.output.inputs
  throw new OssbError('ERR_OSSB_USAGE', `Cannot use ${what}: it is no lock file of version 1`, {
    hint: 'Write it anew with "ossb lock".',
  })
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}

/** What is not as the lock says, in words; undefined where it is. */
export function lockDifference(expected: LockEntry | undefined, found: LockEntry): string | undefined {
  if (expected === undefined) return `not in the lock; found ${identityOf(found)}`
  if (identityOf(expected) !== identityOf(found))
    return `expected ${identityOf(expected)}, found ${identityOf(found)}`
  return undefined
}

/** What an input was: a digest or a commit. */
export function identityOf(entry: LockEntry): string {
  return entry.kind === 'git' ? entry.commit : entry.digest
}
