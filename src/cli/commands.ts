import {
  BUILD_OPTIONS,
  CACHE_INFO_OPTIONS,
  CACHE_PRUNE_OPTIONS,
  type CliOption,
  DOCTOR_OPTIONS,
  optionsOf,
  VERSION_OPTIONS,
} from './option-table.ts'

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

export const COMMANDS: readonly CliCommand[] = [
  {
    name: 'build',
    positionals: [
      {
        name: 'CONTEXT',
        description:
          'What COPY and ADD take files from: a directory, a tar archive, "-" (a tar archive or a Dockerfile on standard input), a git URL (URL#REF:DIRECTORY), or an http(s) URL of an archive or a Dockerfile.',
        default: '.',
      },
    ],
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
    name: 'cache info',
    summary: 'Say what the cache holds and how large it is.',
    options: optionsOf(CACHE_INFO_OPTIONS),
    examples: [['ossb cache info --format json', 'for a program to read']],
  },
  {
    name: 'cache prune',
    summary: 'Remove cached layers, root file systems and step results.',
    options: optionsOf(CACHE_PRUNE_OPTIONS),
    examples: [['ossb cache prune --all --force', 'empty the cache without asking']],
  },
  {
    name: 'doctor',
    summary: 'Say what this environment allows, which executor is used and why.',
    options: optionsOf(DOCTOR_OPTIONS),
    examples: [['ossb doctor', 'start here when a build cannot run']],
  },
  { name: 'version', summary: 'Print the version.', options: optionsOf(VERSION_OPTIONS), examples: [] },
]
