import {
  type OptionTable,
  type HelpFlags,
  type CacheFlags,
  type ExecutorFlags,
  type RegistryFlags,
  type PushFlags,
  type ProgressFlags,
  type InputFlags,
  HELP,
  CACHE_DIR,
  EXECUTOR,
  REGISTRY,
  PUSH,
  PROGRESS,
  INPUT,
} from './option-table.ts'

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
