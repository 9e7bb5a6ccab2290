import type {
  BuildOptions,
  BuildResult,
  BundleOptions,
  CacheInfo,
  CachePruneOptions,
  CachePruneResult,
  CacheVerifyResult,
  CheckReport,
  CopyImageOptions,
  CopyImageResult,
  CreateIndexOptions,
  CreateIndexResult,
  DoctorReport,
  ExecutorChoice,
  GatherResult,
  ImageInspection,
  InspectImageOptions,
  InspectOptions,
  Job,
  LockOptions,
  LoginOptions,
  LoginResult,
  LogoutOptions,
  LogoutResult,
  Outline,
  PutTextOptions,
  TargetList,
  WarmImageOptions,
  WarmImageResult,
} from '../index.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** The part of the public API that the command line is built on. */
export interface Api {
  build(options: BuildOptions, job: Job): Promise<BuildResult>
  bundle(options: BundleOptions, job: Job): Promise<GatherResult>
  lock(options: LockOptions, job: Job): Promise<GatherResult>
  check(options: InspectOptions, job: Job): Promise<CheckReport>
  outline(options: InspectOptions, job: Job): Promise<Outline>
  targets(options: InspectOptions, job: Job): Promise<TargetList>
  login(options: LoginOptions, job: Job): Promise<LoginResult>
  logout(options: LogoutOptions, job: Job): Promise<LogoutResult>
  copyImage(options: CopyImageOptions, job: Job): Promise<CopyImageResult>
  inspectImage(options: InspectImageOptions, job: Job): Promise<ImageInspection>
  createIndex(options: CreateIndexOptions, job: Job): Promise<CreateIndexResult>
  warmImage(options: WarmImageOptions, job: Job): Promise<WarmImageResult>
  putText(options: PutTextOptions, job: Job): Promise<void>
  cacheInfo(cacheDir: string, job: Job): Promise<CacheInfo>
  cachePrune(options: CachePruneOptions, job: Job): Promise<CachePruneResult>
  cacheVerify(cacheDir: string, job: Job): Promise<CacheVerifyResult>
  doctor(
    options: {
      readonly cacheDir: string
      readonly executor: ExecutorChoice
      readonly environment: Environment
    },
    job: Job,
  ): Promise<DoctorReport>
  /**
   * Runs `command` inside the builder's own namespaces and answers its exit status,
   * or undefined where this process can go on itself.
   */
  enterNamespace(
    options: {
      readonly executor: ExecutorChoice
      readonly cacheDir: string
      readonly command: readonly string[]
      readonly environment: Environment
    },
    job: Job,
  ): Promise<number | undefined>
}
