/** One flag. The parser, `--help` and the README are made from these records. */
export type CliOption = OptionText & OptionKind & { readonly name: string }

interface OptionText {
  readonly alias?: string
  /** Stands for the value in help: `FILE`. */
  readonly value?: string
  readonly group: string
  readonly description: string
  /** What holds when the flag is absent, in words. */
  readonly default?: string
  /** A variable that stands in for the flag when that is absent. */
  readonly environment?: string
}

interface ChoiceKind<Choice extends string = string> {
  readonly type: 'choice'
  readonly choices: readonly Choice[]
  /** Other words that are taken for a choice. */
  readonly synonyms?: Readonly<Record<string, Choice>>
}

type OptionKind =
  | { readonly type: 'text' }
  | { readonly type: 'list' }
  | { readonly type: 'flag' }
  | ChoiceKind

/** The kind of flag that yields values of a type. */
type KindFor<Value> = [Value] extends [boolean]
  ? { readonly type: 'flag' }
  : [Value] extends [readonly string[]]
    ? { readonly type: 'list' }
    : string extends Value
      ? { readonly type: 'text' }
      : ChoiceKind<Extract<Value, string>>

/** A flag for each member of `Flags`, of the kind that yields its values. */
export type OptionTable<Flags> = {
  readonly [Name in keyof Flags]-?: OptionText & KindFor<Flags[Name]>
}

export interface HelpFlags {
  readonly help: boolean
}

export interface CacheFlags {
  readonly 'cache-dir': string | undefined
}

export interface ReportFlags {
  readonly format: 'text' | 'json' | undefined
}

interface ExecutorFlags {
  readonly executor: 'auto' | 'rootless' | 'local' | 'traced' | 'container' | undefined
}

/** How a registry is reached, and who we are to it. See `registryTrust`. */
export interface TrustFlags extends AuthFlags {
  readonly 'insecure-registry': readonly string[]
  readonly 'registry-certificate': readonly string[]
  readonly 'registry-client-cert': readonly string[]
  readonly 'cert-dir': readonly string[]
  readonly 'registries-conf': string | undefined
  readonly offline: boolean
  readonly 'allow-host': readonly string[]
}

interface AuthFlags {
  readonly authfile: string | undefined
}

/** How registries are reached: of every command that reads from one or writes to it. See `registryAccess`. */
export interface RegistryFlags extends TrustFlags {
  readonly 'registry-mirror': readonly string[]
  readonly 'registry-map': readonly string[]
  readonly 'skip-default-registry-fallback': boolean
}

export interface LoginFlags extends HelpFlags, TrustFlags {
  readonly username: string | undefined
  readonly password: string | undefined
  readonly 'password-stdin': boolean
}

export interface LogoutFlags extends HelpFlags, AuthFlags {
  readonly all: boolean
}

export interface PushFlags {
  readonly 'upload-chunk-size': string | undefined
  readonly 'push-ignore-immutable-tag-errors': boolean
}

export interface ProgressFlags {
  readonly progress: 'auto' | 'tty' | 'plain' | 'json' | 'quiet' | undefined
  readonly quiet: boolean
}

/** What is to be built, and what it is built from. */
interface InputFlags {
  readonly file: string | undefined
  readonly 'build-arg': readonly string[]
  readonly 'build-context': readonly string[]
  readonly target: string | undefined
  readonly inputs: string | undefined
}

/** Of the commands that look up, or bring here, what a build takes from elsewhere. */
export interface GatherFlags extends HelpFlags, CacheFlags, RegistryFlags, InputFlags, ProgressFlags {
  readonly platform: readonly string[]
  readonly frontend: string | undefined
  readonly secret: readonly string[]
  readonly lock: string | undefined
}

export interface BuildFlags
  extends HelpFlags,
    CacheFlags,
    ExecutorFlags,
    RegistryFlags,
    PushFlags,
    ProgressFlags,
    InputFlags {
  readonly locked: boolean
  readonly lock: string | undefined
  readonly platform: readonly string[]
  readonly frontend: string | undefined
  readonly check: boolean
  readonly call: string | undefined
  readonly tag: readonly string[]
  readonly registry: string | undefined
  readonly label: readonly string[]
  readonly annotation: readonly string[]
  readonly reproducible: boolean
  readonly provenance: string | undefined
  readonly sbom: string | undefined
  readonly attest: readonly string[]
  readonly 'image-format': 'oci' | 'docker' | undefined
  readonly compression: 'gzip' | 'zstd' | 'estargz' | 'uncompressed' | undefined
  readonly 'compression-level': string | undefined
  readonly output: readonly string[]
  readonly push: boolean
  readonly iidfile: string | undefined
  readonly 'metadata-file': string | undefined
  readonly profile: string | undefined
  readonly rootless: boolean
  readonly secret: readonly string[]
  readonly ssh: readonly string[]
  readonly network: 'default' | 'none' | 'host' | undefined
  readonly allow: readonly string[]
  readonly 'add-host': readonly string[]
  readonly 'shm-size': string | undefined
  readonly ulimit: readonly string[]
  readonly parallel: string | undefined
  readonly qemu: readonly string[]
  readonly 'no-cache': boolean
  readonly 'cache-from': readonly string[]
  readonly 'cache-to': readonly string[]
  readonly explain: boolean
}

export interface CacheInfoFlags extends HelpFlags, CacheFlags, ReportFlags {}

export interface CacheVerifyFlags extends HelpFlags, CacheFlags, ReportFlags {}

export interface CachePruneFlags extends HelpFlags, CacheFlags {
  readonly all: boolean
  readonly 'older-than': string | undefined
  readonly 'keep-storage': string | undefined
  readonly filter: readonly string[]
  readonly force: boolean
}

export interface DoctorFlags extends HelpFlags, CacheFlags, ReportFlags, ExecutorFlags {}

export type VersionFlags = HelpFlags

export const HELP: OptionTable<HelpFlags> = {
  help: {
    alias: 'h',
    type: 'flag',
    group: 'General',
    description: 'Show help for this command.',
  },
}

export const CACHE_DIR: OptionTable<CacheFlags> = {
  'cache-dir': {
    type: 'text',
    value: 'DIR',
    group: 'Cache',
    description: 'Directory of the content store and the step cache.',
    default: '$XDG_CACHE_HOME/ossb or ~/.cache/ossb',
    environment: 'OSSB_CACHE_DIR',
  },
}

const EXECUTOR: OptionTable<ExecutorFlags> = {
  executor: {
    type: 'choice',
    choices: ['auto', 'rootless', 'local', 'traced', 'container'],
    group: 'Execution',
    description:
      'How RUN steps are run: rootless (user namespace), local (as root), traced (where no namespace is allowed), container (crun or runc); auto takes the strongest that works here.',
    default: 'auto',
    environment: 'OSSB_EXECUTOR',
  },
}

const AUTH_FILE: OptionTable<AuthFlags> = {
  authfile: {
    type: 'text',
    value: 'FILE',
    group: 'Registries',
    description: "The one file of credentials, in the format of Docker's config.json.",
    default: 'where Docker and Podman look',
  },
}

const TRUST: OptionTable<TrustFlags> = {
  'insecure-registry': {
    type: 'list',
    value: 'HOST[:PORT]',
    group: 'Registries',
    description: 'Registry to be spoken to over plain HTTP, or over TLS without verification. Repeatable.',
  },
  ...AUTH_FILE,
  'registry-certificate': {
    type: 'list',
    value: 'HOST[:PORT]=FILE',
    group: 'Registries',
    description: 'Authorities to believe for this registry alone, as a PEM file. Repeatable.',
  },
  'registry-client-cert': {
    type: 'list',
    value: 'HOST[:PORT]=CERT,KEY',
    group: 'Registries',
    description: 'Certificate and key to show to this registry, as PEM files. Repeatable.',
  },
  'cert-dir': {
    type: 'list',
    value: 'DIR',
    group: 'Registries',
    description:
      'Directory with HOST[:PORT]/*.crt (authorities) and *.cert with *.key (client certificates), looked at before those of Docker and Podman. Repeatable.',
  },
  'registries-conf': {
    type: 'text',
    value: 'FILE',
    group: 'Registries',
    description:
      "The one registries.conf of Podman's to read: mirrors, locations, insecure and blocked registries.",
    default: 'where Podman looks',
    environment: 'CONTAINERS_REGISTRIES_CONF',
  },
  offline: {
    type: 'flag',
    group: 'Network',
    description:
      'Connect to no host and look up no name, but for those of --allow-host. What RUN may reach is for --network to say.',
  },
  'allow-host': {
    type: 'list',
    value: 'HOST[:PORT]',
    group: 'Network',
    description:
      'Host that may be connected to, and no other: registries, servers of tokens, targets of redirects, and proxies are each one of their own. Repeatable.',
    default: 'all; with --offline none',
  },
}

export const REGISTRY: OptionTable<RegistryFlags> = {
  ...TRUST,
  'registry-mirror': {
    type: 'list',
    value: 'HOST[:PORT][/PREFIX]',
    group: 'Registries',
    description:
      'Mirror of Docker Hub, asked before it for what is pulled; http:// in front allows plain HTTP. Repeatable.',
    environment: 'OSSB_REGISTRY_MIRROR',
  },
  'registry-map': {
    type: 'list',
    value: 'FROM=TO[/PREFIX][,…]',
    group: 'Registries',
    description: 'The same for any registry: TO is asked before FROM. Repeatable.',
    environment: 'OSSB_REGISTRY_MAP',
  },
  'skip-default-registry-fallback': {
    type: 'flag',
    group: 'Registries',
    description: 'Do not ask a registry itself for what its mirrors do not have.',
  },
}

export const PUSH: OptionTable<PushFlags> = {
  'upload-chunk-size': {
    type: 'text',
    value: 'SIZE',
    group: 'Output',
    description:
      'Push layers in requests of at most this size, for example 50m, where a proxy allows no larger ones.',
    default: 'a layer in one request, and smaller ones where that is too large',
  },
  'push-ignore-immutable-tag-errors': {
    type: 'flag',
    group: 'Output',
    description: 'Leave a tag that its registry does not let go as it is, with a warning.',
  },
}

export const FORMAT: OptionTable<ReportFlags> = {
  format: {
    type: 'choice',
    choices: ['text', 'json'],
    group: 'General',
    description: 'Form of the report.',
    default: 'text',
  },
}

export const PROGRESS: OptionTable<Pick<ProgressFlags, 'progress'>> = {
  progress: {
    type: 'choice',
    choices: ['auto', 'tty', 'plain', 'json', 'quiet'],
    synonyms: { rawjson: 'json', none: 'quiet' },
    group: 'General',
    description:
      'How progress is shown, on standard error: live (tty), line by line (plain), as JSON lines, or not at all; auto is tty on a terminal, else plain.',
    default: 'auto',
    environment: 'BUILDKIT_PROGRESS',
  },
}

const INPUT: OptionTable<InputFlags> = {
  file: {
    alias: 'f',
    type: 'text',
    value: 'FILE',
    group: 'Input',
    description:
      'The Dockerfile, relative to the working directory, or to the context where that is no directory; "-" reads it from standard input; an http(s) URL downloads it.',
    default: 'CONTEXT/Dockerfile',
  },
  'build-arg': {
    type: 'list',
    value: 'NAME[=VALUE]',
    group: 'Input',
    description:
      'Value for an ARG. Without =VALUE it comes from the environment, or is left out when not set there. Repeatable.',
  },
  'build-context': {
    type: 'list',
    value: 'NAME=CONTEXT',
    group: 'Input',
    description:
      'A further context, for FROM NAME, COPY --from=NAME and RUN --mount=from=NAME: a directory, a tar archive, a git or http(s) URL, docker-image://REFERENCE, oci-layout://DIRECTORY[:TAG], oci-archive://FILE[:NAME] or docker-archive://FILE[:NAME]. It comes before a stage or image called NAME; NAME::PLATFORM is for one platform. Repeatable.',
  },
  target: {
    type: 'text',
    value: 'STAGE',
    group: 'Input',
    description: 'Build this stage and what it needs.',
    default: 'the last stage',
  },
  inputs: {
    type: 'text',
    value: 'FILE',
    group: 'Input',
    description:
      'Archive of "ossb bundle": images, downloads and repositories in it are taken from it, and only others from the network.',
  },
}

export const BUILD_OPTIONS: OptionTable<BuildFlags> = {
  ...INPUT,
  locked: {
    type: 'flag',
    group: 'Input',
    description:
      'Build only where each image, download and repository is what the lock file says. See "ossb lock".',
  },
  lock: {
    type: 'text',
    value: 'FILE',
    group: 'Input',
    description: 'The lock file of --locked.',
    default: 'ossb.lock in the context, else the one in --inputs',
  },
  platform: {
    type: 'list',
    value: 'OS/ARCH',
    group: 'Input',
    description:
      'Platform of the image, for example linux/arm64. Repeatable, and several with commas: they become one index.',
    default: "the machine's own",
    environment: 'DOCKER_DEFAULT_PLATFORM',
  },
  frontend: {
    type: 'text',
    value: 'NAME',
    group: 'Input',
    description: 'Language of the build file.',
    default: 'dockerfile',
  },
  check: {
    type: 'flag',
    group: 'Input',
    description:
      'Look for mistakes instead of building, in all stages or in what --target needs; ends with status 1 where there are some.',
  },
  call: {
    type: 'text',
    value: 'METHOD[,KEY=VALUE…]',
    group: 'Input',
    description:
      'What to do: build; check (--check); outline, which lists arguments, secrets and ssh sockets of the target; or targets, which lists the stages. Keys: format=text|json, ignorestatus=true.',
    default: 'build',
  },
  tag: {
    alias: 't',
    type: 'list',
    value: 'NAME[:TAG]',
    group: 'Image',
    description: 'Name of the image. Repeatable.',
  },
  registry: {
    type: 'text',
    value: 'HOST[/PREFIX]',
    group: 'Image',
    description: 'Put in front of each --tag that names no registry itself.',
    environment: 'OSSB_REGISTRY',
  },
  label: {
    type: 'list',
    value: 'NAME=VALUE',
    group: 'Image',
    description: 'Label of the image. Repeatable.',
  },
  annotation: {
    type: 'list',
    value: '[TYPE:]KEY=VALUE',
    group: 'Image',
    description:
      'Annotation of the image. TYPE is manifest, manifest-descriptor, index or index-descriptor, or several with commas; TYPE[OS/ARCH] is for one platform. Repeatable.',
  },
  reproducible: {
    type: 'flag',
    group: 'Image',
    description:
      'No time in what is new but SOURCE_DATE_EPOCH, or 1970 where it is not set: equal inputs give equal bytes.',
  },
  provenance: {
    type: 'text',
    value: 'true|false|KEY=VALUE…',
    group: 'Image',
    description:
      'State in the index how the image was made: mode=min, which is true, or mode=max, with build arguments and the Dockerfile; builder-id=URL.',
    default: 'false',
  },
  sbom: {
    type: 'text',
    value: 'true|false',
    group: 'Image',
    description: 'State in the index what is installed in the image: an SPDX document.',
    default: 'false',
  },
  attest: {
    type: 'list',
    value: 'type=provenance|sbom[,KEY=VALUE…]',
    group: 'Image',
    description: 'The same as --provenance or --sbom.',
  },
  'image-format': {
    type: 'choice',
    choices: ['oci', 'docker'],
    group: 'Image',
    description: 'Media types of the manifest and config.',
    default: 'oci',
  },
  compression: {
    type: 'choice',
    choices: ['gzip', 'zstd', 'estargz', 'uncompressed'],
    group: 'Image',
    description: 'Compression of new layers; estargz is gzip whose files lazy readers take one by one.',
    default: 'gzip',
  },
  'compression-level': {
    type: 'text',
    value: 'N',
    group: 'Image',
    description: '1 is fast; 9 is small, or 22 for zstd.',
    default: "the codec's own",
  },
  output: {
    alias: 'o',
    type: 'list',
    value: 'OUTPUT',
    group: 'Output',
    description:
      'Where the result goes: image (the store), tar (./rootfs.tar), local (./rootfs), a directory, - (a tar on standard output), or type=image|registry|oci|docker|tar|local[,dest=PATH][,KEY=VALUE…]. Repeatable.',
    default: 'image',
  },
  push: {
    type: 'flag',
    group: 'Output',
    description: 'Push the image to the registries that its tags name.',
  },
  ...PUSH,
  iidfile: {
    type: 'text',
    value: 'FILE',
    group: 'Output',
    description: 'Write the image ID (digest of the config) to this file.',
  },
  'metadata-file': {
    type: 'text',
    value: 'FILE',
    group: 'Output',
    description: 'Write digests and names of the image to this file, as JSON.',
  },
  profile: {
    type: 'text',
    value: 'FILE',
    group: 'Output',
    description:
      'Write a trace of when what of the build ran to this file, for Perfetto; also when it fails.',
  },
  ...REGISTRY,
  ...EXECUTOR,
  rootless: { type: 'flag', group: 'Execution', description: 'The same as --executor rootless.' },
  secret: {
    type: 'list',
    value: 'id=ID[,src=FILE|,env=VAR]',
    group: 'Execution',
    description:
      'Secret for RUN --mount=type=secret, from a file or a variable, at most 500 KiB; without either from the variable or else the file named ID. Repeatable.',
  },
  ssh: {
    type: 'list',
    value: 'default|ID[=SOCKET|KEY[,KEY]]',
    group: 'Execution',
    description:
      'SSH agent for RUN --mount=type=ssh: its socket, or private key files, which ssh-agent then holds. SOCKET,raw=true lets all through to the agent, not only logins. Repeatable.',
    default: 'no agent; for one without a path $SSH_AUTH_SOCK',
  },
  network: {
    type: 'choice',
    choices: ['default', 'none', 'host'],
    group: 'Execution',
    description: 'Network of each RUN that names none itself; default is the network of this machine.',
    default: 'default',
  },
  allow: {
    type: 'list',
    value: 'ENTITLEMENT',
    group: 'Execution',
    description:
      'Let RUN use --network=host (network.host) or --security=insecure (security.insecure). Repeatable.',
  },
  'add-host': {
    type: 'list',
    value: 'NAME=ADDRESS',
    group: 'Execution',
    description:
      'Line for /etc/hosts of each RUN; NAME:ADDRESS is the same, host-gateway stands for this machine. Repeatable.',
  },
  'shm-size': {
    type: 'text',
    value: 'SIZE',
    group: 'Execution',
    description: 'Size of /dev/shm in each RUN, for example 128m.',
    default: '64m',
  },
  ulimit: {
    type: 'list',
    value: 'NAME=SOFT[:HARD]',
    group: 'Execution',
    description: 'Resource limit of each RUN, for example nofile=4096:65536; -1 is no limit. Repeatable.',
    default: 'nofile with 1024 as the soft limit',
  },
  qemu: {
    type: 'list',
    value: 'PATH',
    group: 'Execution',
    description:
      'Emulator for RUN steps of another architecture: a static qemu-ARCH or qemu-ARCH-static, or a directory with some. Repeatable.',
    default: 'those on PATH',
    environment: 'OSSB_QEMU',
  },
  parallel: {
    type: 'text',
    value: 'N',
    group: 'Execution',
    description: 'How many steps run at once.',
    default: 'the number of processors',
  },
  ...CACHE_DIR,
  'no-cache': {
    type: 'flag',
    group: 'Cache',
    description: 'Run every step, even one whose result is known.',
  },
  'cache-from': {
    type: 'list',
    value: 'REF|type=TYPE,KEY=VALUE',
    group: 'Cache',
    description:
      'Look for results elsewhere, too: in a registry (type=registry,ref=REF: a cache or an image with one), a directory (type=local,src=DIR[,tag=TAG|,digest=DIGEST]) or a repository of kaniko (type=kaniko,ref=REPOSITORY[,ttl=336h]). What cannot be used costs time and never a build. Repeatable.',
  },
  'cache-to': {
    type: 'list',
    value: 'REF|type=TYPE,KEY=VALUE',
    group: 'Cache',
    description:
      'Bring results elsewhere: type=registry,ref=REF, type=local,dest=DIR[,tag=TAG], type=kaniko,ref=REPOSITORY, or type=inline for the image itself. mode=max is all steps, mode=min (the default) those of the image. A failure is a warning, with ignore-error=false an error. Repeatable.',
  },
  explain: {
    type: 'flag',
    group: 'Cache',
    description:
      'Say of every step, at the end, why it was or was not taken from a cache: which input changed, from what to what.',
  },
  ...PROGRESS,
  quiet: {
    alias: 'q',
    type: 'flag',
    group: 'General',
    description: 'Show no progress; print the image ID on standard output.',
  },
  ...HELP,
}

const GATHER_OPTIONS: OptionTable<Omit<GatherFlags, 'lock'>> = {
  ...INPUT,
  platform: {
    type: 'list',
    value: 'OS/ARCH',
    group: 'Input',
    description: 'Platform that is to be built for. Repeatable, and several with commas.',
    default: "the machine's own",
    environment: 'DOCKER_DEFAULT_PLATFORM',
  },
  frontend: BUILD_OPTIONS.frontend,
  secret: {
    ...BUILD_OPTIONS.secret,
    group: 'Input',
    description:
      'Credentials for downloads and repositories, by the names that a build takes them by: HTTP_AUTH_TOKEN_HOST, GIT_AUTH_TOKEN and so on. Repeatable.',
  },
  ...REGISTRY,
  ...CACHE_DIR,
  progress: BUILD_OPTIONS.progress,
  quiet: { alias: 'q', type: 'flag', group: 'General', description: 'Show no progress.' },
  ...HELP,
}

export const BUNDLE_OPTIONS: OptionTable<GatherFlags> = {
  lock: {
    type: 'text',
    value: 'FILE',
    group: 'Output',
    description: 'Write the lock file, which is in the archive in any case, to this file as well.',
  },
  ...GATHER_OPTIONS,
}

export const LOCK_OPTIONS: OptionTable<GatherFlags> = {
  lock: {
    type: 'text',
    value: 'FILE',
    group: 'Output',
    description: 'The lock file that is written.',
    default: 'CONTEXT/ossb.lock',
  },
  ...GATHER_OPTIONS,
}

export const CACHE_INFO_OPTIONS: OptionTable<CacheInfoFlags> = { ...CACHE_DIR, ...FORMAT, ...HELP }

export const CACHE_VERIFY_OPTIONS: OptionTable<CacheVerifyFlags> = { ...CACHE_DIR, ...FORMAT, ...HELP }

export const CACHE_PRUNE_OPTIONS: OptionTable<CachePruneFlags> = {
  ...CACHE_DIR,
  all: {
    alias: 'a',
    type: 'flag',
    group: 'Cache',
    description: 'Remove images kept by name, too: everything.',
  },
  'older-than': {
    type: 'text',
    value: 'TIME',
    group: 'Cache',
    description: 'Remove only what was not used for so long, for example 12h or 7d.',
  },
  'keep-storage': {
    type: 'text',
    value: 'SIZE',
    group: 'Cache',
    description:
      'Remove only what was used least recently, until the cache is no larger than this, for example 10g.',
  },
  filter: {
    type: 'list',
    value: 'KEY=VALUE',
    group: 'Cache',
    description:
      'Remove only what fits: type=steps, snapshots, downloads or mounts (several types: any of them), or until=TIME, the same as --older-than. Repeatable.',
  },
  force: { type: 'flag', group: 'Cache', description: 'Do not ask.' },
  ...HELP,
}

export const DOCTOR_OPTIONS: OptionTable<DoctorFlags> = { ...EXECUTOR, ...CACHE_DIR, ...FORMAT, ...HELP }

export const LOGIN_OPTIONS: OptionTable<LoginFlags> = {
  username: {
    alias: 'u',
    type: 'text',
    value: 'NAME',
    group: 'Login',
    description: 'User name.',
    default: 'asks at the terminal',
  },
  password: {
    alias: 'p',
    type: 'text',
    value: 'PASSWORD',
    group: 'Login',
    description:
      'Password or access token; other users of the machine can see it, so rather use --password-stdin.',
    default: 'asks at the terminal',
  },
  'password-stdin': {
    type: 'flag',
    group: 'Login',
    description: 'Read the password from standard input.',
  },
  ...TRUST,
  ...HELP,
}

export const LOGOUT_OPTIONS: OptionTable<LogoutFlags> = {
  all: {
    alias: 'a',
    type: 'flag',
    group: 'Login',
    description: 'Remove the passwords for all registries.',
  },
  ...AUTH_FILE,
  ...HELP,
}

export const VERSION_OPTIONS: OptionTable<VersionFlags> = { ...HELP }

/** The flags of a table with their names, in its order. */
export function optionsOf(table: Readonly<Record<string, OptionText & OptionKind>>): readonly CliOption[] {
  return Object.entries(table).map(([name, option]) => ({ name, ...option }))
}
