import type { Descriptor, Job, Platform } from '../core/index.ts'
import type { ImageConfig } from '../oci/index.ts'
import type { CheckReport, Outline, TargetList } from './inspection.ts'
import type { ContextOp, GitOp, HttpOp, Ulimit } from './op.ts'
import type { SourceFile } from './source-file.ts'
import type { ExtraHost, Vertex } from './vertex.ts'

/**
 * What a frontend makes of its input, for one platform. `root` is the final root file system; `config` is the final
 * image config, but for `created`, `rootfs` and the `created` of history entries, which the solver fills in:
 * each history entry without `empty_layer` belongs to one layer, in order, base layers first.
 */
export interface Plan {
  readonly platform: Platform
  readonly root: Vertex
  readonly config: Omit<ImageConfig, 'rootfs'>
  /** How many of `config.history` come from the base image, and are to be kept as they are. */
  readonly baseHistory: number
  /** SOURCE_DATE_EPOCH in seconds, where a build argument or a global ARG sets it. */
  readonly sourceDateEpoch?: number
}

/** A base image as a frontend sees it: enough to plan, nothing downloaded but manifest and config. */
export interface ResolvedImage {
  /** The manifest for the platform, never an index. */
  readonly manifest: Descriptor
  readonly config: ImageConfig
  /** What the name stands for: the manifest, or the index that it was chosen from. Absent where nobody looked. */
  readonly root?: Descriptor
}

/**
 * Finds an image that a Dockerfile names. `reference` is as written, after expansion.
 * @throws OssbError that names the reference
 */
export type ConfigResolver = (reference: string, platform: Platform, job: Job) => Promise<ResolvedImage>

/** Turns some description of images into plans, or says what it describes. */
export interface Frontend<Input> {
  /** One plan for each platform asked for. */
  plan(input: Input, images: ConfigResolver, job: Job): Promise<readonly Plan[]>
  /**
   * Looks for mistakes: in all that can be built, or in what the target needs where one is named. An image that
   * cannot be resolved is no failure, and neither is a mistake that would make a build fail: the report has both.
   */
  check(input: Input, images: ConfigResolver, job: Job): Promise<CheckReport>
  /** What a build of the target takes from outside; no image is looked at. */
  outline(input: Input, job: Job): Promise<Outline>
  /** What can be built. */
  targets(input: Input): TargetList
}

/**
 * When what a source gives was last changed, in seconds since the epoch: a commit, or what a server says of a download;
 * undefined where nothing states that. May bring the source here.
 */
export type SourceTime = (source: ContextOp | HttpOp | GitOp, job: Job) => Promise<number | undefined>

/** What the caller sets for every RUN. */
export interface RunSettings {
  /** For each that says nothing of its network, or `default`. */
  readonly network?: 'none' | 'host'
  readonly extraHosts?: readonly ExtraHost[]
  /** Bytes of /dev/shm. */
  readonly shmSize?: number
  readonly ulimits?: readonly Ulimit[]
}

/** The input of the Dockerfile frontend. */
export interface DockerfileInput {
  readonly file: SourceFile
  readonly platforms: readonly Platform[]
  readonly buildPlatform: Platform
  readonly buildArgs: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  /** A stage name or index; absent is the last stage. */
  readonly target?: string
  readonly namedContexts: readonly NamedContext[]
  /** The patterns of the main context's ignore file, for checks. Absent is no ignore file. */
  readonly ignorePatterns?: readonly string[]
  /** Says how old a source is, for SOURCE_DATE_EPOCH. Absent where nobody may be asked. */
  readonly timeOf?: SourceTime
  readonly run?: RunSettings
}

/** A context beside the main one: it stands for the stage or image of its name. */
export interface NamedContext {
  /** `name` or `name::platform`, in lower case, as familiar names of images are written, without `:latest`. */
  readonly name: string
  /** The image that it is, as FROM would name it; absent for files. */
  readonly image?: string
}
