import { COPY_OPTIONS, INDEX_CREATE_OPTIONS, INSPECT_OPTIONS } from './image-option-table.ts'
import { BUILD_OPTIONS } from './build-option-table.ts'
import { CACHE_INFO_OPTIONS, CACHE_PRUNE_OPTIONS, CACHE_VERIFY_OPTIONS } from './cache-option-table.ts'
import { BUNDLE_OPTIONS, LOCK_OPTIONS } from './gather-option-table.ts'
import { LOGIN_OPTIONS, LOGOUT_OPTIONS } from './login-option-table.ts'
import { type CliOption, DOCTOR_OPTIONS, optionsOf, VERSION_OPTIONS } from './option-table.ts'

/** A word of a command line that is no flag. */
export interface CliPositional {
  readonly name: string
  readonly description: string
  /** What holds when the word is absent, in words; a word without one must be there. */
  readonly default?: string
  /** One or more of it; only for the last one of a command. */
  readonly repeats?: boolean
}

/** One command of a command line, as the parser, `--help` and the README see it. */
export interface CliCommand {
  readonly name: string
  readonly positionals?: readonly CliPositional[]
  readonly summary: string
  readonly options: readonly CliOption[]
  readonly examples: readonly (readonly [command: string, does: string])[]
}

const REGISTRY_WORD: CliPositional = {
  name: 'REGISTRY',
  description: 'The registry: HOST[:PORT].',
  default: 'docker.io',
}

const PLACES =
  'A reference (registry.example.com/app:1), oci:DIRECTORY[:NAME|@DIGEST], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME|@NUMBER], or cache:NAME for what a build kept.'

const CONTEXT: CliPositional = {
  name: 'CONTEXT',
  description:
    'What COPY and ADD take files from: a directory, a tar archive, "-" (a tar archive or a Dockerfile on standard input), a git URL (URL#REF:DIRECTORY), or an http(s) URL of an archive or a Dockerfile.',
  default: '.',
}

export const COMMANDS: readonly CliCommand[] = [
  {
    name: 'build',
    positionals: [CONTEXT],
    summary: 'Build an image from a Dockerfile.',
    options: optionsOf(BUILD_OPTIONS),
    examples: [
      ['ossb build -t app:1 .', 'build ./Dockerfile, keep the image in the store as app:1'],
      ['ossb build -t registry.example.com/app:1 --push .', 'build and push'],
      ['ossb build -o type=oci,dest=app.tar -t app:1 .', 'write an OCI archive'],
      ['ossb build --check .', 'look for mistakes in ./Dockerfile'],
      ['ossb build --target test -o local .', 'write the files of stage "test" to ./rootfs'],
    ],
  },
  {
    name: 'copy',
    positionals: [
      { name: 'SRC', description: PLACES },
      { name: 'DST', description: 'Where the image goes: in the same words.' },
    ],
    summary: 'Copy an image between registries, OCI layouts, archives and the cache.',
    options: optionsOf(COPY_OPTIONS),
    examples: [
      ['ossb copy r.io/app:1 oci:app', 'to the directory app, as an OCI layout'],
      ['ossb copy docker-archive:app.tar r.io/app:1', 'push what an archive holds'],
      ['ossb copy cache:app:1 docker-archive:app.tar:app:1', 'write what a build kept for "docker load"'],
    ],
  },
  {
    name: 'inspect',
    positionals: [{ name: 'IMAGE', description: PLACES }],
    summary: 'Say what an image is made of: digests, platforms, configuration, layers.',
    options: optionsOf(INSPECT_OPTIONS),
    examples: [
      ['ossb inspect r.io/app:1', 'without pulling it'],
      ['ossb inspect --platform linux/arm64 --format json oci:app', 'for a program to read'],
    ],
  },
  {
    name: 'index create',
    positionals: [
      { name: 'DST', description: 'Where the index goes, in the words of "ossb copy".' },
      {
        name: 'SRC',
        description: 'An image, or an index whose images are taken, in the same words.',
        repeats: true,
      },
    ],
    summary: 'Join images for several platforms into one.',
    options: optionsOf(INDEX_CREATE_OPTIONS),
    examples: [
      ['ossb index create r.io/app:1 r.io/app:amd64 r.io/app:arm64', 'join what two machines have pushed'],
    ],
  },
  {
    name: 'bundle',
    positionals: [
      { name: 'FILE', description: 'The archive that is written; "-" is standard output.' },
      CONTEXT,
    ],
    summary: 'Gather the images, downloads and repositories of a build into one archive.',
    options: optionsOf(BUNDLE_OPTIONS),
    examples: [
      ['ossb bundle inputs.tar .', 'gather what a build of ./Dockerfile needs'],
      [
        'ossb build --inputs inputs.tar --offline -t app:1 .',
        'and build from it, on a machine without a network',
      ],
      ['ossb bundle --platform linux/amd64,linux/arm64 inputs.tar .', 'for builds on two platforms'],
    ],
  },
  {
    name: 'lock',
    positionals: [CONTEXT],
    summary: 'Write down what the images, downloads and repositories of a build are now.',
    options: optionsOf(LOCK_OPTIONS),
    examples: [
      ['ossb lock .', 'write ./ossb.lock'],
      ['ossb build --locked -t app:1 .', 'and build only from just these'],
    ],
  },
  {
    name: 'cache info',
    summary: 'Say what the cache holds and how large it is.',
    options: optionsOf(CACHE_INFO_OPTIONS),
    examples: [['ossb cache info --format json', 'for a program to read']],
  },
  {
    name: 'cache prune',
    summary: 'Remove cached layers, root file systems and step results.',
    options: optionsOf(CACHE_PRUNE_OPTIONS),
    examples: [
      ['ossb cache prune --all --force', 'empty the cache without asking'],
      ['ossb cache prune --older-than 7d --keep-storage 10g', 'keep what is of use'],
    ],
  },
  {
    name: 'cache verify',
    summary: 'Read all content of the cache, and remove what is damaged.',
    options: optionsOf(CACHE_VERIFY_OPTIONS),
    examples: [['ossb cache verify', 'after a crash, or on a disk that forgets']],
  },
  {
    name: 'doctor',
    summary: 'Say what this environment allows, which executor is used and why.',
    options: optionsOf(DOCTOR_OPTIONS),
    examples: [['ossb doctor', 'start here when a build cannot run']],
  },
  {
    name: 'login',
    positionals: [REGISTRY_WORD],
    summary: 'Check a password for a registry, and keep it where Docker and Podman find it too.',
    options: optionsOf(LOGIN_OPTIONS),
    examples: [
      ['ossb login registry.example.com', 'ask for user name and password'],
      ['ossb login -u ci --password-stdin registry.example.com < token', 'without a terminal'],
    ],
  },
  {
    name: 'logout',
    positionals: [REGISTRY_WORD],
    summary: 'Remove the password for a registry.',
    options: optionsOf(LOGOUT_OPTIONS),
    examples: [['ossb logout registry.example.com', 'forget what a login kept']],
  },
  { name: 'version', summary: 'Print the version.', options: optionsOf(VERSION_OPTIONS), examples: [] },
]
