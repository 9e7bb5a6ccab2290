import type { Descriptor, Job, Platform } from '../core/index.ts'
import type { ImageConfig } from '../oci/index.ts'
import type { Vertex } from './vertex.ts'

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
}

/**
 * Finds an image that a Dockerfile names. `reference` is as written, after expansion.
 * @throws OssbError that names the reference
 */
export type ConfigResolver = (reference: string, platform: Platform, job: Job) => Promise<ResolvedImage>

/** Turns some description of images into plans: one plan for each platform asked for. */
export interface Frontend<Input> {
  plan(input: Input, images: ConfigResolver, job: Job): Promise<readonly Plan[]>
}

/** A file that the frontend read, so that errors can show its lines. */
export interface SourceFile {
  readonly name: string
  readonly text: string
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
}

/** A context beside the main one: it stands for the stage or image of its name. */
export interface NamedContext {
  /** `name` or `name::platform`, in lower case, as familiar names of images are written, without `:latest`. */
  readonly name: string
  /** The image that it is, as FROM would name it; absent for files. */
  readonly image?: string
}
