import type { Writable } from 'node:stream'
import type { Descriptor, Digest } from './core/index.ts'

/** How layers are compressed. Levels run from 1 (fast) to 9 (small); absent is the default of the codec. */
export type LayerCompression =
  | { readonly type: 'gzip'; readonly level?: number }
  | { readonly type: 'zstd'; readonly level?: number }
  | { readonly type: 'uncompressed' }

/**
 * Where an image goes. `names` that are absent stand for BuildOptions.tags.
 * `dest` of a file may be "-": standard output.
 */
export type OutputSpec =
  /** Kept in the content store of the cache directory (an OCI layout), and pushed as well where `push` is set. */
  | { readonly type: 'image'; readonly names?: readonly string[]; readonly push: boolean }
  /** An OCI layout: as one tar file, or as a directory where `tar` is false. */
  | { readonly type: 'oci'; readonly dest: string; readonly tar: boolean; readonly names?: readonly string[] }
  /** An archive for `docker load` and `podman load`. */
  | { readonly type: 'docker'; readonly dest: string; readonly names?: readonly string[] }
  /** The final root file system as a tar. */
  | { readonly type: 'tar'; readonly dest: string }
  /** The final root file system as a directory. */
  | { readonly type: 'local'; readonly dest: string }

export type ExecutorChoice = 'auto' | 'rootless' | 'local' | 'container'

/** One build. Both command lines translate into this; nothing below them knows which was used. */
export interface BuildOptions {
  /** The build context: a directory, a tar archive, "-" (either a tar archive or a Dockerfile on standard input), a git or an HTTP URL. */
  readonly context: string
  /** Contexts by name (`name` or `name::platform`): a path, a URL, `docker-image://` or `oci-layout://`. */
  readonly buildContexts?: Readonly<Record<string, string>>
  /**
   * The Dockerfile: "-" for standard input, a URL, or a path, relative to the working directory where the context is a
   * directory, else to the context; absent is `Dockerfile` in the context.
   */
  readonly dockerfile?: string
  /** Names of the image: `-t`. A name without registry gets `registry` in front, where that is given. */
  readonly tags: readonly string[]
  readonly registry?: string
  readonly buildArgs: Readonly<Record<string, string>>
  readonly target?: string
  /** `os/arch[/variant]`; empty means the machine's own. */
  readonly platforms: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly noCache: boolean
  /** Empty means `image` without a push. */
  readonly outputs: readonly OutputSpec[]
  readonly compression: LayerCompression
  /** `oci` (default) or Docker's media types. */
  readonly imageFormat: 'oci' | 'docker'
  /** Clamp times in new layers to SOURCE_DATE_EPOCH. */
  readonly rewriteTimestamp: boolean
  readonly executor: ExecutorChoice
  /** Name of the frontend; `dockerfile` is the one that is built in. */
  readonly frontend: string
  readonly cacheDir: string
  /** Registries (`host[:port]`) to be spoken to over plain HTTP, or over TLS without verification. */
  readonly insecureRegistries: readonly string[]
  /** What a context or a Dockerfile called "-" is read from. */
  readonly standardInput?: AsyncIterable<Uint8Array>
  /** Where an output whose `dest` is "-" goes. */
  readonly standardOutput?: Writable
  /** The caller's environment: credentials files, proxies and `SOURCE_DATE_EPOCH` are found through it. Never given to a RUN. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface BuildResult {
  /** The manifest. */
  readonly descriptor: Descriptor
  readonly configDigest: Digest
  /** Full names that the image was given. */
  readonly names: readonly string[]
  readonly platform: string
  /** What was written, for people: "oci layout ./out", "registry localhost:5000/app:1". */
  readonly outputs: readonly string[]
}

/** A step in the search for an executor, and why it can or can't be used. */
export interface ExecutorReport {
  readonly name: 'local' | 'rootless' | 'container'
  readonly usable: boolean
  /** Why not, with the system call or file that said no. */
  readonly reason?: string
  /** The one command or setting that would help. */
  readonly remedy?: string
}

/** A fact about the environment: "user namespaces", "id range", "overlay", "emulation", … */
export interface EnvironmentFact {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly remedy?: string
}

export interface DoctorReport {
  readonly facts: readonly EnvironmentFact[]
  readonly executors: readonly ExecutorReport[]
  /** The executor that `auto` takes; absent when none is usable. */
  readonly chosen?: 'local' | 'rootless' | 'container'
  /** Why that one. */
  readonly because: string
  /** What would give a better one; empty when it is the best there is. */
  readonly better: readonly string[]
}

export interface CacheInfo {
  readonly directory: string
  /** Bytes on disk. */
  readonly totalBytes: number
  readonly blobs: { readonly count: number; readonly bytes: number }
  /** Unpacked root file systems. */
  readonly snapshots: { readonly count: number; readonly bytes: number }
  /** Cached results of steps. */
  readonly steps: { readonly count: number }
  /** Files that ADD downloaded. */
  readonly downloads: { readonly count: number; readonly bytes: number }
  /** Names of images kept in the store. */
  readonly images: readonly { readonly name: string; readonly digest: Digest; readonly bytes: number }[]
}

export interface CachePruneOptions {
  readonly cacheDir: string
  /** Remove images kept by name, too: everything. */
  readonly all: boolean
}

export interface CachePruneResult {
  readonly removedBytes: number
  readonly removedBlobs: number
  readonly removedSnapshots: number
  readonly removedSteps: number
}
