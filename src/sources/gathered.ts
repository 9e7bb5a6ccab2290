import type { Readable } from 'node:stream'
import { type Digest, type Job, redact } from '../core/index.ts'
import type { GitSource } from './git-url.ts'

/** A file that was downloaded elsewhere. */
export interface GatheredFile {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** `Last-Modified` in seconds since the epoch, else 0. */
  readonly modified: number
  /** Its content; the stream ends with an error when that has another digest. */
  open(job: Job): Promise<Readable>
}

/** A commit that was checked out elsewhere. */
export interface GatheredRepository {
  readonly commit: string
  /** The commit, and an annotated tag that names it: a checksum may be that of either. */
  readonly objects: readonly string[]
  /** When the commit was made, in seconds since the epoch. */
  readonly committed: number
  /** A tar archive of all files, as Archives.unpack() takes it. */
  open(job: Job): Promise<Readable>
}

/** What was gathered where there was a network, and is used in its place. */
export interface Gathered {
  file(url: string): GatheredFile | undefined
  repository(source: GitSource): GatheredRepository | undefined
}

/** A URL without credentials, by which a file is known: who asks for it makes no difference. */
export function urlName(url: string): string {
  return redact(url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/i, '$1'))
}

/** What a git source is called: its repository, and what of it is meant. */
export function gitName({ remote, ref, checksum, fetchByCommit }: GitSource): string {
  const wanted = ref ?? (fetchByCommit === true ? checksum : undefined)
  return `${urlName(remote)}${wanted === undefined ? '' : `#${wanted}`}`
}

/** The same for every source that the same checkout serves: directory and times come after it. */
export function checkoutName(source: GitSource): string {
  const { keepGitDir = false, submodules = true } = source
  return JSON.stringify([gitName(source), keepGitDir, submodules])
}
