import type { Descriptor, Digest } from '../core/index.ts'

/** One entry of an image's history (image-spec config.md#properties); member names are the specification's. */
export interface HistoryEntry {
  readonly created?: string
  readonly created_by?: string
  readonly author?: string
  readonly comment?: string
  readonly empty_layer?: boolean
}

/** Docker's health check, kept in the config for its compatibility; durations are nanoseconds. */
export interface Healthcheck {
  readonly Test?: readonly string[]
  readonly Interval?: number
  readonly Timeout?: number
  readonly StartPeriod?: number
  readonly StartInterval?: number
  readonly Retries?: number
}

/** The `config` member of an image config: how a container of the image runs. */
export interface RuntimeConfig {
  readonly User?: string
  readonly ExposedPorts?: Readonly<Record<string, object>>
  readonly Env?: readonly string[]
  readonly Entrypoint?: readonly string[]
  readonly Cmd?: readonly string[]
  readonly Volumes?: Readonly<Record<string, object>>
  readonly WorkingDir?: string
  readonly Labels?: Readonly<Record<string, string>>
  readonly StopSignal?: string
  readonly ArgsEscaped?: boolean
  readonly Healthcheck?: Healthcheck
  readonly OnBuild?: readonly string[]
  readonly Shell?: readonly string[]
}

/** An image config (image-spec config.md). */
export interface ImageConfig {
  readonly architecture: string
  readonly os: string
  readonly variant?: string
  readonly 'os.version'?: string
  readonly 'os.features'?: readonly string[]
  readonly author?: string
  readonly created?: string
  readonly config?: RuntimeConfig
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly Digest[] }
  readonly history?: readonly HistoryEntry[]
  /** A build cache in the image itself: BuildKit's records, in base64. Never taken over from a base image. */
  readonly 'moby.buildkit.cache.v0'?: string
}

/** An image manifest (image-spec manifest.md), or Docker's schema 2, which has the same shape. */
export interface Manifest {
  readonly schemaVersion: 2
  readonly mediaType?: string
  readonly artifactType?: string
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly annotations?: Readonly<Record<string, string>>
}

/** An image index (image-spec image-index.md), or Docker's manifest list. */
export interface ImageIndex {
  readonly schemaVersion: 2
  readonly mediaType?: string
  readonly artifactType?: string
  readonly manifests: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly annotations?: Readonly<Record<string, string>>
}
