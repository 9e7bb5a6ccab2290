import type { Digest } from '../core/index.ts'

/** Where results of steps are looked for beside the cache directory. What can't be used costs time, never a build. */
export type CacheSourceSpec =
  /** A cache that a build has written (BuildKit's format), or an image that carries one. */
  | { readonly type: 'registry'; readonly ref: string }
  /** The same in an OCI layout; `name` is a tag or a digest in it. */
  | { readonly type: 'local'; readonly src: string; readonly name: string }
  /** A repository with an image for each step, as kaniko keeps them. */
  | { readonly type: 'kaniko'; readonly repository: string; readonly ttlMs: number }

/** Where results go as well. `ignoreError`: a failure to bring them there is a warning, and not one of the build. */
export type CacheTargetSpec =
  | ({ readonly type: 'registry'; readonly ref: string } & SharedCacheForm)
  | ({ readonly type: 'local'; readonly dest: string; readonly tag: string } & SharedCacheForm)
  /** Into the image itself. */
  | { readonly type: 'inline' }
  | {
      readonly type: 'kaniko'
      readonly repository: string
      readonly ttlMs: number
      /** Only the layers of RUN, or only those of COPY, ADD and WORKDIR; absent is both. */
      readonly steps?: readonly ('exec' | 'file')[]
      readonly ignoreError: boolean
    }

interface SharedCacheForm {
  /** `min` is what led to the image; `max` is all steps. */
  readonly mode: 'min' | 'max'
  /** `manifest` is what all registries take; `index` and `docker` are older forms of BuildKit's. */
  readonly form: 'manifest' | 'index' | 'docker'
  readonly ignoreError: boolean
}

/** Why a step was, or was not, taken from a cache. */
export interface StepExplanation {
  /** "[build 2/5] RUN make" */
  readonly step: string
  readonly outcome: 'hit' | 'miss'
  /** The cache that had it; absent is the cache directory. */
  readonly from?: string
  /** For a miss: which input changed, from what to what. */
  readonly reasons: readonly string[]
}

export interface CacheInfo {
  readonly directory: string
  /** Bytes on disk. */
  readonly totalBytes: number
  readonly blobs: { readonly count: number; readonly bytes: number }
  /** Unpacked root file systems. */
  readonly snapshots: { readonly count: number; readonly bytes: number }
  /** Cached results of steps; of these, results of RUN (`exec`) and of all others (`file`) by their definitions. */
  readonly steps: { readonly count: number; readonly exec: number; readonly file: number }
  /** What RUN --mount=type=cache keeps. */
  readonly mounts: { readonly count: number; readonly bytes: number }
  /** How many steps of all builds were found in a cache, and how many were carried out. */
  readonly found: { readonly hits: CachedStepCounts; readonly misses: CachedStepCounts }
  /** Files that ADD downloaded. */
  readonly downloads: { readonly count: number; readonly bytes: number }
  /** Names of images kept in the store. */
  readonly images: readonly { readonly name: string; readonly digest: Digest; readonly bytes: number }[]
}

/** RUN (`exec`), and all other steps that make layers. */
export interface CachedStepCounts {
  readonly exec: number
  readonly file: number
}

/** What of a cache directory is made, or fetched, again when it is missing. */
export type CachePart = 'steps' | 'snapshots' | 'downloads' | 'mounts'

/** With `olderThanMs`, `keepBytes` or `parts` only what these choose goes, the least recently used first. */
export interface CachePruneOptions {
  readonly cacheDir: string
  /** Remove images kept by name, too: everything. */
  readonly all: boolean
  /** Remove what was not used for so long, in milliseconds. */
  readonly olderThanMs?: number
  /** Remove no more than it takes to come down to so many bytes. */
  readonly keepBytes?: number
  readonly parts?: readonly CachePart[]
}

export interface CacheVerifyResult {
  readonly blobs: { readonly count: number; readonly bytes: number }
  /** Content that was not what its name says, and was removed: it is fetched, or made, again. */
  readonly damaged: readonly Digest[]
  /** Names of images that are not there. */
  readonly missing: readonly string[]
}

export interface CachePruneResult {
  readonly removedBytes: number
  readonly removedBlobs: number
  readonly removedSnapshots: number
  readonly removedSteps: number
}
