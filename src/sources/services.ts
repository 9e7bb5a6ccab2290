import type { Job } from '../core/index.ts'
import type { Ask } from '../cloud/index.ts'
import type { ReadSecret } from './authorization.ts'
import type { Gathered } from './gathered.ts'
import type { HttpClient } from './http.ts'

/** A commit of a git repository, and how to ask for it. */
export interface ResolvedRef {
  /** Hex digits. */
  readonly commit: string
  /** A name that the server has for it; absent for a commit that was given as such. */
  readonly name?: string
  /** The commit, and an annotated tag that names it. */
  readonly objects: readonly string[]
}

/** Refuses a URL that may not be connected to. @throws OssbError ERR_OSSB_OFFLINE */
export type RequireReach = (url: URL) => void

/** What sources need of the rest of the program. */
export interface SourceServices {
  readonly http: HttpClient
  /** How clouds are asked for tokens. */
  readonly ask: Ask
  /** Present where the hosts that may be connected to are limited. */
  readonly requireReach?: RequireReach
  /** What is taken from here and not from the network. */
  readonly gathered?: Gathered
  /** The caller's environment: git finds its configuration, its proxies and the agent of ssh there. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Secrets of the build: credentials of hosts may be among them. */
  readonly secret: ReadSecret
  /** Where downloads are kept from build to build. */
  readonly downloads: string
  /** A new, empty directory that lives as long as the build. */
  directory(): string
  readonly archives: Archives
  /** What git sources were found to mean, so that one build means one commit by them. */
  readonly commits: Map<string, Promise<ResolvedRef>>
  /** Standard input, where there is one. */
  readonly standardInput?: AsyncIterable<Uint8Array>
}

/** Tar archives, compressed or not. */
export interface Archives {
  /** By content. */
  isArchive(path: string): Promise<boolean>
  unpack(path: string, directory: string, job: Job): Promise<void>
}
