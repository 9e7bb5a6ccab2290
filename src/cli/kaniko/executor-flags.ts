import {
  LOG_FLAGS,
  type LogFlag,
  PULL_FLAGS,
  PUSH_FLAGS,
  type PullFlag,
  type PushFlag,
} from './registry-flags.ts'

/** The flags that the executor alone has. */
export const OWN_FLAGS = [
  {
    name: 'annotation',
    kind: 'list',
    type: 'key-value-arg type',
    description: 'Annotation of the manifest: KEY=VALUE. Set it repeatedly for several.',
  },
  {
    name: 'bucket',
    shorthand: 'b',
    kind: 'string',
    hidden: true,
    description: 'The GCS bucket that holds context.tar.gz',
  },
  {
    name: 'build-arg',
    kind: 'list',
    description:
      'Value of an ARG: NAME=VALUE, or NAME for that of the environment. Set it repeatedly for several.',
  },
  { name: 'cache', kind: 'bool', description: 'Use cached layers' },
  { name: 'cache-copy-layers', kind: 'bool', description: 'Cache the layers of COPY and ADD' },
  {
    name: 'cache-dir',
    kind: 'string',
    default: '/cache',
    description: 'Take base images that the warmer has put here',
  },
  {
    name: 'cache-repo',
    kind: 'string',
    description:
      'The repository of cached layers, or oci:DIRECTORY; where it is not given, "cache" below the first destination',
  },
  {
    name: 'cache-run-layers',
    kind: 'bool',
    default: 'true',
    description: 'Cache the layers of RUN and WORKDIR',
  },
  {
    name: 'cache-ttl',
    kind: 'duration',
    default: '336h0m0s',
    description: 'How old a cached layer may be',
  },
  { name: 'cleanup', kind: 'bool', effect: 'none' },
  { name: 'compressed-caching', kind: 'bool', default: 'true', effect: 'none' },
  { name: 'compression', kind: 'string', type: 'compression', description: 'gzip or zstd' },
  {
    name: 'compression-level',
    kind: 'int',
    default: '-1',
    description: 'From 1 (fast) to 9 (small)',
  },
  {
    name: 'context',
    shorthand: 'c',
    kind: 'string',
    default: '/workspace/',
    description:
      'The build context: a directory, dir://, tar://, tar://stdin, git://, https://, s3://, gs:// or an Azure blob',
  },
  { name: 'context-sub-path', kind: 'string', description: 'A directory in the context to be the context' },
  {
    name: 'custom-platform',
    kind: 'string',
    description:
      'Build for this platform: OS/ARCH[/VARIANT]; several with commas between them are pushed as one index',
  },
  { name: 'customPlatform', kind: 'string', alias: 'custom-platform', hidden: true },
  {
    name: 'digest-file',
    kind: 'string',
    description: 'Write the digest of the image to this file, or PUT it to this https:// URL',
  },
  {
    name: 'dockerfile',
    shorthand: 'f',
    kind: 'string',
    default: 'Dockerfile',
    description: 'The Dockerfile: a path, or a URL',
  },
  { name: 'dryrun', kind: 'bool', description: 'Say what would be built, and build nothing' },
  { name: 'force', kind: 'bool', effect: 'none' },
  { name: 'force-build-metadata', kind: 'bool', effect: 'none' },
  {
    name: 'git',
    kind: 'list',
    type: 'gitoptions',
    description:
      'How to get a git context: branch=NAME, single-branch=BOOL, depth=N, recurse-submodules=BOOL, insecure-skip-tls=BOOL. Set it repeatedly for several.',
  },
  {
    name: 'ignore-path',
    kind: 'list',
    description: 'Leave this path out of every layer. Set it repeatedly for several.',
  },
  { name: 'ignore-var-run', kind: 'bool', default: 'true', effect: 'none' },
  {
    name: 'whitelist-var-run',
    kind: 'bool',
    alias: 'ignore-var-run',
    hidden: true,
    deprecated: 'Please use ignore-var-run instead.',
  },
  {
    name: 'image-download-retry',
    kind: 'int',
    default: '0',
    description: 'How often to try again to get a base image',
  },
  {
    name: 'image-format',
    kind: 'string',
    type: 'format',
    description: 'docker or oci; where it is not given, that of the base image',
  },
  {
    name: 'image-fs-extract-retry',
    kind: 'int',
    default: '0',
    description: 'How often to try again to unpack',
  },
  {
    name: 'image-name-tag-with-digest-file',
    kind: 'string',
    description: 'Write name, tag and digest of the image to this file, or PUT them to this https:// URL',
  },
  {
    name: 'image-name-with-digest-file',
    kind: 'string',
    description: 'Write name and digest of the image to this file, or PUT them to this https:// URL',
  },
  { name: 'kaniko-dir', kind: 'string', description: 'Where to keep what a build needs (env KANIKO_DIR)' },
  {
    name: 'label',
    kind: 'list',
    description: 'Label of the image: KEY=VALUE. Set it repeatedly for several.',
  },
  { name: 'materialize', kind: 'bool', effect: 'none' },
  { name: 'no-push', kind: 'bool', description: 'Do not push the image (env KANIKO_NO_PUSH)' },
  { name: 'no-push-cache', kind: 'bool', description: 'Do not push cached layers' },
  { name: 'oci-layout-path', kind: 'string', description: 'Write the image here as an OCI layout' },
  { name: 'pre-cleanup', kind: 'bool', effect: 'none' },
  { name: 'preserve-context', kind: 'bool', effect: 'none' },
  {
    name: 'reproducible',
    kind: 'bool',
    description: 'No times in the image, so that equal input gives equal bytes',
  },
  {
    name: 'secret',
    kind: 'list',
    type: 'secret type',
    description: 'Secret for RUN: id=ID[,src=FILE][,env=VAR][,type=file|env]. Set it repeatedly for several.',
  },
  { name: 'single-snapshot', kind: 'bool', description: 'One layer for all that a stage changes' },
  { name: 'skip-unused-stages', kind: 'bool', effect: 'none' },
  {
    name: 'snapshot-mode',
    kind: 'string',
    default: 'full',
    description: 'full, redo or time: accepted and without effect, changes are always found whole',
  },
  { name: 'snapshotMode', kind: 'string', alias: 'snapshot-mode', hidden: true },
  { name: 'tar-path', kind: 'string', description: 'Write the image here as an archive for "docker load"' },
  { name: 'tarPath', kind: 'string', alias: 'tar-path', hidden: true },
  {
    name: 'target',
    kind: 'words',
    description:
      'The stage to build; of several the first is pushed, and the others are built. Set it repeatedly for several.',
  },
  { name: 'use-new-run', kind: 'bool', effect: 'none' },
] as const

export type ExecutorFlag = PullFlag | PushFlag | LogFlag | (typeof OWN_FLAGS)[number]

/** Every flag of kaniko's executor. */
export const EXECUTOR_FLAGS: readonly ExecutorFlag[] = [
  ...PULL_FLAGS,
  ...PUSH_FLAGS,
  ...LOG_FLAGS,
  ...OWN_FLAGS,
]

/** Old spellings that are answered with a warning in the log. */
export const RENAMED_FLAGS: readonly (readonly [old: ExecutorFlag['name'], current: string])[] = [
  ['snapshotMode', 'snapshot-mode'],
  ['customPlatform', 'custom-platform'],
]
