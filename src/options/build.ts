import type { Writable } from 'node:stream'
import type { Descriptor, Digest } from '../core/index.ts'
import type { CacheSourceSpec, CacheTargetSpec, StepExplanation } from './cache.ts'
import type { ExecutorChoice } from './environment.ts'
import type { AnnotationSpec, LayerCompression, OutputSpec } from './output.ts'
import type { RegistryAccess } from './registry.ts'

export interface ProvenanceOptions {
  /** `max`: with build arguments, the names of secrets, and the Dockerfile. */
  readonly mode: 'min' | 'max'
  /** URI of who builds. */
  readonly builderId?: string
}

/** What is to be built, as far as a build file can be understood without building. */
export type DefinitionOptions = Pick<
  BuildOptions,
  | 'context'
  | 'contextSubdirectory'
  | 'dockerfile'
  | 'buildArgs'
  | 'target'
  | 'platforms'
  | 'labels'
  | 'reproducible'
  | 'frontend'
  | 'environment'
  | 'network'
  | 'extraHosts'
  | 'shmSize'
  | 'ulimits'
>

/** A look at a build file; base images are found as a build finds them. */
export type InspectOptions = DefinitionOptions &
  RegistryAccess &
  Pick<BuildOptions, 'cacheDir' | 'buildContexts' | 'secrets' | 'standardInput' | 'inputs'>

/** A secret for RUN --mount=type=secret: the content of a file, or the value of a variable of `environment`. */
export type SecretSpec = ({ readonly file: string } | { readonly env: string }) & {
  readonly id: string
  /** For what brings contexts and files of ADD here alone: no RUN can ask for it. */
  readonly hiddenFromRuns?: boolean
}

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

/** Base images that were brought here before a build: see warmImage(). */
export interface BaseImageDirectory {
  readonly directory: string
  /** Milliseconds after which an image counts as too old. */
  readonly maxAgeMs: number
}

/** One build. Both command lines translate into this; nothing below them knows which was used. */
export interface BuildOptions extends RegistryAccess {
  /** The build context: a directory, a tar archive, "-" (either a tar archive or a Dockerfile on standard input), a git or an HTTP URL. */
  readonly context: string
  /** A directory in the context that is the context itself; absent is all of it. */
  readonly contextSubdirectory?: string
  /** Contexts by name (`name` or `name::platform`): a path, a URL, `docker-image://`, `oci-layout://`, `oci-archive://` or `docker-archive://`. */
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
  /** `os/arch[/variant]`, in the order of the index; `local` and none mean the machine's own. */
  readonly platforms: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly noCache: boolean
  /** Looked at in this order, after the cache directory. */
  readonly cacheFrom?: readonly CacheSourceSpec[]
  readonly cacheTo?: readonly CacheTargetSpec[]
  /** Is told of each step why it was, or was not, taken from a cache. */
  readonly explain?: (explanation: StepExplanation) => void
  /** Empty means `image` without a push. */
  readonly outputs: readonly OutputSpec[]
  readonly compression: LayerCompression
  /** `oci` (default) or Docker's media types. */
  readonly imageFormat: 'oci' | 'docker'
  /** One layer for all that is changed above the base image. */
  readonly singleLayer?: boolean
  /** Absolute paths (patterns as in .dockerignore) that are in no new layer. */
  readonly ignoredPaths?: readonly string[]
  /** Of every output that holds an image. */
  readonly annotations?: readonly AnnotationSpec[]
  /** State in the index how the images were made (SLSA provenance, v1), as BuildKit does; absent is not at all. */
  readonly provenance?: ProvenanceOptions
  /** State in the index what is installed in the images: an SPDX document (2.3). */
  readonly sbom?: boolean
  /** Compress layers of base images anew where they are compressed in another way. */
  readonly forceCompression?: boolean
  /** Clamp times in new layers to SOURCE_DATE_EPOCH. */
  readonly rewriteTimestamp: boolean
  /** No time in what is new but SOURCE_DATE_EPOCH, which is 1970 where it is not set: equal inputs give equal bytes. */
  readonly reproducible?: boolean
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
  /** Static programs of QEMU's user mode, or directories with some, that come before those on PATH. */
  readonly emulators?: readonly string[]
  /** How many steps run at once; absent is one for each processor. */
  readonly parallelism?: number
  /** Name of the frontend; `dockerfile` is the one that is built in. */
  readonly frontend: string
  readonly cacheDir: string
  /** Where base images are taken from, and found by name when no registry can be reached. */
  readonly baseImages?: BaseImageDirectory
  /** Push blobs in requests of at most this many bytes; absent is one for each, and smaller ones where that is too large. */
  readonly chunkBytes?: number
  /** Do not ask before the build whether its pushes will be allowed. */
  readonly skipPushCheck?: boolean
  /** Leave tags that their registry does not let go as they are, with a warning; absent makes them an error. */
  readonly ignoreImmutableTags?: boolean
  /** An archive of `bundle`: what it holds is taken from it, and not from the network. */
  readonly inputs?: string
  /** Build only where every input is what the lock file says. */
  readonly locked?: boolean
  /** The lock file; absent is `ossb.lock` in the context, else the one in `inputs`. */
  readonly lockFile?: string
  /** What a context or a Dockerfile called "-" is read from. */
  readonly standardInput?: AsyncIterable<Uint8Array>
  /** Where an output whose `dest` is "-" goes. */
  readonly standardOutput?: Writable
}

export interface BuildResult {
  /** The manifest, or the index where there are several platforms. */
  readonly descriptor: Descriptor
  /** The config; absent where `descriptor` is an index. */
  readonly configDigest?: Digest
  /** Full names that the image was given. */
  readonly names: readonly string[]
  readonly platforms: readonly string[]
  /** What was written, for people: "oci layout ./out", "registry localhost:5000/app:1". */
  readonly outputs: readonly string[]
}
