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

export interface ExecutorFlags {
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

export interface AuthFlags {
  readonly authfile: string | undefined
}

/** How registries are reached: of every command that reads from one or writes to it. See `registryAccess`. */
export interface RegistryFlags extends TrustFlags {
  readonly 'registry-mirror': readonly string[]
  readonly 'registry-map': readonly string[]
  readonly 'skip-default-registry-fallback': boolean
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
export interface InputFlags {
  readonly file: string | undefined
  readonly 'build-arg': readonly string[]
  readonly 'build-context': readonly string[]
  readonly target: string | undefined
  readonly inputs: string | undefined
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

export const EXECUTOR: OptionTable<ExecutorFlags> = {
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

export const AUTH_FILE: OptionTable<AuthFlags> = {
  authfile: {
    type: 'text',
    value: 'FILE',
    group: 'Registries',
    description: "The one file of credentials, in the format of Docker's config.json.",
    default: 'where Docker and Podman look',
  },
}

export const TRUST: OptionTable<TrustFlags> = {
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

export const INPUT: OptionTable<InputFlags> = {
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

export const DOCTOR_OPTIONS: OptionTable<DoctorFlags> = { ...EXECUTOR, ...CACHE_DIR, ...FORMAT, ...HELP }

export const VERSION_OPTIONS: OptionTable<VersionFlags> = { ...HELP }

/** The flags of a table with their names, in its order. */
export function optionsOf(table: Readonly<Record<string, OptionText & OptionKind>>): readonly CliOption[] {
  return Object.entries(table).map(([name, option]) => ({ name, ...option }))
}
