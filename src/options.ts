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

/** What is to be built, as far as a build file can be understood without building. */
export type DefinitionOptions = Pick<
  BuildOptions,
  | 'context'
  | 'dockerfile'
  | 'buildArgs'
  | 'target'
  | 'platforms'
  | 'labels'
  | 'frontend'
  | 'environment'
  | 'network'
  | 'extraHosts'
  | 'shmSize'
  | 'ulimits'
>

/** A look at a build file; base images are found as a build finds them. */
export type InspectOptions = DefinitionOptions & RegistryAccess & Pick<BuildOptions, 'cacheDir'>

/** A secret for RUN --mount=type=secret: the content of a file, or the value of a variable of `environment`. */
export type SecretSpec =
  | { readonly id: string; readonly file: string }
  | { readonly id: string; readonly env: string }

/** An SSH agent for RUN --mount=type=ssh. */
export interface SshSpec {
  readonly id: string
  /** One socket of an agent, or private keys; empty stands for SSH_AUTH_SOCK of `environment`. */
  readonly paths: readonly string[]
  /** All that is said to the agent goes through; else only what a login needs. */
  readonly raw: boolean
}

/** What a RUN may have only when the caller allows it. */
export type Entitlement = 'network.host' | 'security.insecure'

/** A line of /etc/hosts. */
export interface ExtraHost {
  readonly name: string
  readonly address: string
}

/** A resource limit, named as Docker does ("nofile"); -1 is none. */
export interface Ulimit {
  readonly name: string
  readonly soft: number
  readonly hard: number
}

/** How registries are reached. Whatever talks to one takes these. */
export interface RegistryAccess {
  /** Registries (`host[:port]`) to be spoken to over plain HTTP, or over TLS without verification. */
  readonly insecureRegistries: readonly string[]
  /** The caller's environment: credentials files, proxies and certificates are found through it. Never given to a RUN. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** One build. Both command lines translate into this; nothing below them knows which was used. */
export interface BuildOptions extends RegistryAccess {
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
  readonly secrets?: readonly SecretSpec[]
  readonly ssh?: readonly SshSpec[]
  /** The network of each RUN that asks for none itself. */
  readonly network?: 'none' | 'host'
  readonly allow?: readonly Entitlement[]
  /** Lines for /etc/hosts of each RUN. */
  readonly extraHosts?: readonly ExtraHost[]
  /** Bytes of /dev/shm of each RUN; absent is 64 MiB. */
  readonly shmSize?: number
  /** Resource limits of each RUN; without one for "nofile" the soft limit of open files is 1024. */
  readonly ulimits?: readonly Ulimit[]
  /** How many steps run at once; absent is one for each processor. */
  readonly parallelism?: number
  /** Name of the frontend; `dockerfile` is the one that is built in. */
  readonly frontend: string
  readonly cacheDir: string
  /** What a context or a Dockerfile called "-" is read from. */
  readonly standardInput?: AsyncIterable<Uint8Array>
  /** Where an output whose `dest` is "-" goes. */
  readonly standardOutput?: Writable
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
  /** The weaker form in which it can be used: for reason and remedy of the stronger one, see below. */
  readonly variant?: 'one id'
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
