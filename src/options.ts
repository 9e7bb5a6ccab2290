import type { Writable } from 'node:stream'
import type { Descriptor, Digest } from './core/index.ts'
import type { HistoryEntry, ImageConfig } from './oci/index.ts'
import type { CredentialProvider, RegistryCertificates, RegistryMap } from './registry/index.ts'

export type {
  CredentialProvider,
  LoginResult,
  LogoutResult,
  RegistryCertificates,
  RegistryLocation,
  RegistryMap,
} from './registry/index.ts'

/** How layers are compressed. Levels run from 1 (fast) to 9 (small); absent is the default of the codec. */
export type LayerCompression =
  | { readonly type: 'gzip'; readonly level?: number }
  | { readonly type: 'zstd'; readonly level?: number }
  | { readonly type: 'estargz'; readonly level?: number }
  | { readonly type: 'uncompressed' }

/**
 * Where an image goes. `names` that are absent stand for BuildOptions.tags.
 * `dest` of a file may be "-": standard output.
 */
export type OutputSpec =
  /** Kept in the content store of the cache directory (an OCI layout), and pushed as well where `push` is set. */
  | ({ readonly type: 'image'; readonly names?: readonly string[]; readonly push: boolean } & Annotated)
  /** An OCI layout: as one tar file, or as a directory where `tar` is false. */
  | ({
      readonly type: 'oci'
      readonly dest: string
      readonly tar: boolean
      readonly names?: readonly string[]
      /** A directory whose index.json has this image as its only entry, without a name. */
      readonly single?: boolean
    } & Annotated)
  /** An archive for `docker load` and `podman load`. */
  | {
      readonly type: 'docker'
      readonly dest: string
      readonly names?: readonly string[]
      /** Without an OCI layout: the form of go-containerregistry, in which the blobs lie beside manifest.json. */
      readonly flat?: boolean
    }
  /** The final root file systems as a tar. */
  | ({ readonly type: 'tar'; readonly dest: string } & PlatformSplit)
  /** The final root file systems as a directory. */
  | ({ readonly type: 'local'; readonly dest: string } & PlatformSplit)

/** What a document or a descriptor of an image says beside what it must. */
export interface AnnotationSpec {
  readonly level: 'manifest' | 'manifest-descriptor' | 'index' | 'index-descriptor'
  /** Only for the image of this platform; absent is for all. */
  readonly platform?: string
  readonly key: string
  readonly value: string
}

export interface ProvenanceOptions {
  /** `max`: with build arguments, the names of secrets, and the Dockerfile. */
  readonly mode: 'min' | 'max'
  /** URI of who builds. */
  readonly builderId?: string
}

export interface Annotated {
  /** Those of this output alone, which count before BuildOptions.annotations. */
  readonly annotations?: readonly AnnotationSpec[]
}

export interface PlatformSplit {
  /** Whether each platform gets a directory of its own ("linux_arm_v7"); absent is where several are built. */
  readonly platformSplit?: boolean
}

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

export type ExecutorChoice = 'auto' | 'rootless' | 'local' | 'traced' | 'container'

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

/** How a registry is reached, and who we are to it. */
export interface RegistryTrust {
  /** Registries (`host[:port]`, or `*` for all) to be spoken to over plain HTTP, or over TLS without verification. */
  readonly insecureRegistries: readonly string[]
  /**
   * The only hosts (`host[:port]`) that may be connected to, proxies and hosts of redirects included; empty is offline,
   * absent is no limit. It holds for all that the builder itself does, and not for a RUN: see `network`.
   */
  readonly allowedHosts?: readonly string[]
  /** The caller's environment: credentials files, proxies and certificates are found through it. Never given to a RUN. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The one file of credentials, in the format of Docker's config.json; absent is where Docker and Podman look. */
  readonly authFile?: string
  /** Send a request whose failure may pass at least so often again; absent is as often as is usual (5). */
  readonly retries?: number
  /**
   * Where credentials are looked for after the files, in this order: variables as kaniko reads them, or a cloud for its
   * own registries; absent is `env` alone.
   */
  readonly credentialProviders?: readonly CredentialProvider[]
  /** Certificates for one registry each. */
  readonly certificates?: readonly RegistryCertificates[]
  /** Directories like /etc/docker/certs.d, which are looked at before it. */
  readonly certDirs?: readonly string[]
  /** The one registries.conf (version 2) to read; absent is where Podman looks. */
  readonly registriesConf?: string
}

/** How registries are reached. Whatever talks to one takes these. */
export interface RegistryAccess extends RegistryTrust {
  /** Mirrors of whole registries, for what is read; they come before those of registries.conf. */
  readonly registryMaps?: readonly RegistryMap[]
  /** Do not ask a registry of `registryMaps` for what none of its mirrors has. */
  readonly skipDefaultRegistryFallback?: boolean
}

export interface LoginOptions extends RegistryTrust {
  /** `host[:port]`; `docker.io` is Docker Hub. */
  readonly registry: string
  readonly username: string
  /** A password, or an access token that stands in its place. */
  readonly password: string
}

export interface LogoutOptions extends Pick<RegistryTrust, 'environment' | 'authFile'> {
  /** Absent is every registry that the file knows. */
  readonly registry?: string
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

/** What is to be gathered: the inputs of a build of the target, for each of the platforms. */
export type BundleOptions = LockOptions & {
  /** The archive; "-" is standard output. */
  readonly dest: string
  readonly standardOutput?: Writable
}

/** Whose inputs are to be looked up. */
export type LockOptions = RegistryAccess &
  Pick<
    BuildOptions,
    | 'context'
    | 'buildContexts'
    | 'dockerfile'
    | 'buildArgs'
    | 'target'
    | 'platforms'
    | 'frontend'
    | 'secrets'
    | 'cacheDir'
    | 'inputs'
    | 'standardInput'
  > & {
    /** Where the lock is written; absent is nowhere. */
    readonly lockFile?: string
  }

/** One input, as the lock has it. */
export interface BuildInputSummary {
  readonly kind: 'image' | 'url' | 'git'
  /** As it is written. */
  readonly name: string
  /** A digest, or the name of a commit. */
  readonly identity: string
}

export interface GatherResult {
  readonly inputs: readonly BuildInputSummary[]
  /** What was written, for people. */
  readonly outputs: readonly string[]
}

/** What is put where. */
export interface PutTextOptions extends Omit<RegistryTrust, 'insecureRegistries'> {
  readonly url: string
  readonly text: string
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

/** A step in the search for an executor, and why it can or can't be used. */
export interface ExecutorReport {
  readonly name: 'local' | 'rootless' | 'traced' | 'container'
  /** The weaker form in which it can be used: for reason and remedy of the stronger one, see below. */
  readonly variant?: 'one id' | 'chroot'
  readonly usable: boolean
  /** Why not, with the system call or file that said no. */
  readonly reason?: string
  /** The one command or setting that would help. */
  readonly remedy?: string
}

/** One of the six ways to isolate a RUN, the strongest first. */
export interface RungReport {
  readonly number: 1 | 2 | 3 | 4 | 5 | 6
  readonly name: string
  readonly usable: boolean
  /** Why not, with the system call or file that said no. */
  readonly reason?: string
  /** The one command or setting that would help. */
  readonly remedy?: string
  /** What it keeps no hostile RUN from. */
  readonly cannotPrevent: readonly string[]
}

/** A fact about the environment: "user namespaces", "id range", "overlay", "emulation", … */
export interface EnvironmentFact {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly remedy?: string
}

/** Of the environment that is looked at, or that a build runs in. */
export interface EnvironmentOptions {
  readonly executor: ExecutorChoice
  readonly cacheDir: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface DoctorReport {
  readonly facts: readonly EnvironmentFact[]
  readonly executors: readonly ExecutorReport[]
  readonly rungs: readonly RungReport[]
  /** The executor that `auto` takes; absent when none is usable. */
  readonly chosen?: 'local' | 'rootless' | 'traced' | 'container'
  /** The number of its rung. */
  readonly rung?: RungReport['number']
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

/** What a command that finds and places images by location works with. */
interface ImageAccess extends RegistryAccess {
  readonly cacheDir: string
}

/**
 * A copy of an image. Places are `REFERENCE`, `docker://REFERENCE`, `oci:DIRECTORY[:NAME|@DIGEST]`,
 * `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME|@NUMBER]` or `cache:NAME`.
 */
export interface CopyImageOptions extends ImageAccess {
  readonly source: string
  readonly destination: string
  /** Tags that the image gets beside that of `destination`. */
  readonly tags: readonly string[]
  /**
   * Of an index: `all` is the index itself; one platform is the image for it, several are an index of them; none is
   * the image for this machine.
   */
  readonly platforms: readonly string[] | 'all'
  /** Copy what refers to the image as well: signatures, attestations, bills of materials. */
  readonly referrers: boolean
  /** See BuildOptions. */
  readonly chunkBytes?: number
}

/** An image for a directory of base images: see BuildOptions.baseImages. */
export interface WarmImageOptions extends ImageAccess {
  /** A reference. */
  readonly image: string
  readonly directory: string
  /** Absent is this machine's own. */
  readonly platform?: string
  /** Bring it also when it is there. */
  readonly again?: boolean
}

export interface WarmImageResult {
  /** Of the manifest. */
  readonly digest: Digest
  /** The OCI layout that holds it. */
  readonly directory: string
  readonly wasThere: boolean
}

export interface CopyImageResult {
  readonly descriptor: Descriptor
  /** Where the image is now, in the words that name a place. */
  readonly names: readonly string[]
  /** How many referrers were copied with it. */
  readonly referrers: number
}

export interface InspectImageOptions extends ImageAccess {
  readonly image: string
  /** Of an index, look at the image for this platform. */
  readonly platform?: string
  /** Say what refers to it. */
  readonly referrers: boolean
}

/** One entry of an index. */
export interface InspectedEntry {
  readonly descriptor: Descriptor
  /** Bytes of its config and layers; absent where the entry is no image. */
  readonly totalSize?: number
}

export interface ImageInspection {
  readonly reference: string
  readonly descriptor: Descriptor
  /** The bytes that `descriptor` names. */
  readonly raw: Buffer
  readonly annotations: Readonly<Record<string, string>>
  /** Of an index. */
  readonly entries?: readonly InspectedEntry[]
  /** Of one image. */
  readonly image?: InspectedImage
  /** What refers to it; absent when that was not asked for. */
  readonly referrers?: readonly Descriptor[]
}

export interface InspectedImage {
  /** `os/architecture[/variant]`. */
  readonly platform: string
  readonly config: ImageConfig
  readonly configDescriptor: Descriptor
  readonly layers: readonly Descriptor[]
  /** Bytes of config and layers, as they are stored. */
  readonly totalSize: number
  readonly history: readonly InspectedStep[]
}

/** A line of an image's history, and the layer that it made. */
export interface InspectedStep {
  readonly entry?: HistoryEntry
  readonly layer?: Descriptor
}

export interface CreateIndexOptions extends ImageAccess {
  /** As CopyImageOptions.destination: a registry, an OCI layout, an archive or the cache. */
  readonly destination: string
  /** Images and indexes, in the order that the index will have. */
  readonly sources: readonly string[]
  /** Begin with what the index at the destination holds. */
  readonly append: boolean
  /** Of several images for one platform take the last; else they are an error. */
  readonly replace: boolean
  readonly annotations: Readonly<Record<string, string>>
  readonly tags: readonly string[]
  readonly imageFormat: 'oci' | 'docker'
  /** See BuildOptions. */
  readonly chunkBytes?: number
}

export interface CreateIndexResult {
  readonly descriptor: Descriptor
  readonly names: readonly string[]
  /** The platforms of the images in it, in order. */
  readonly platforms: readonly string[]
}
