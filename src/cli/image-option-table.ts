import {
  CACHE_DIR,
  type CacheFlags,
  FORMAT,
  HELP,
  type HelpFlags,
  type OptionTable,
  PROGRESS,
  type ProgressFlags,
  PUSH,
  type PushFlags,
  REGISTRY,
  type RegistryFlags,
  type ReportFlags,
} from './option-table.ts'

interface MoveFlags extends HelpFlags, CacheFlags, RegistryFlags, ProgressFlags {
  readonly 'upload-chunk-size': PushFlags['upload-chunk-size']
  readonly tag: readonly string[]
  readonly 'digest-file': string | undefined
}

export interface CopyFlags extends MoveFlags {
  readonly all: boolean
  readonly platform: readonly string[]
  readonly referrers: boolean
}

export interface InspectFlags extends HelpFlags, CacheFlags, RegistryFlags, ReportFlags {
  readonly platform: string | undefined
  readonly raw: boolean
  readonly referrers: boolean
}

export interface IndexCreateFlags extends MoveFlags {
  readonly append: boolean
  readonly replace: boolean
  readonly annotation: readonly string[]
  readonly 'image-format': 'oci' | 'docker' | undefined
}

/** What the commands that bring an image somewhere share; between them stands what is a command's own. */
const DESTINATION: OptionTable<Pick<MoveFlags, 'tag' | 'digest-file' | 'upload-chunk-size'>> = {
  tag: {
    alias: 't',
    type: 'list',
    value: 'TAG',
    group: 'Output',
    description: 'A further tag at the destination. Repeatable.',
  },
  'digest-file': {
    type: 'text',
    value: 'FILE',
    group: 'Output',
    description: 'Write the digest of what is at the destination now to this file.',
  },
  'upload-chunk-size': PUSH['upload-chunk-size'],
}

const QUIET: OptionTable<Pick<ProgressFlags, 'quiet'>> = {
  quiet: {
    alias: 'q',
    type: 'flag',
    group: 'General',
    description: 'Show no progress; print the digest on standard output.',
  },
}

export const COPY_OPTIONS: OptionTable<CopyFlags> = {
  all: {
    alias: 'a',
    type: 'flag',
    group: 'Input',
    description: 'Copy the images for all platforms, and the index that names them.',
  },
  platform: {
    type: 'list',
    value: 'OS/ARCH[/VARIANT]',
    group: 'Input',
    description:
      'Platform to copy of an image for several. With more than one an index of these is made. Repeatable.',
    default: "the machine's own",
  },
  referrers: {
    type: 'flag',
    group: 'Input',
    description: 'Copy what refers to the image as well: signatures, attestations, bills of materials.',
  },
  ...DESTINATION,
  ...REGISTRY,
  ...CACHE_DIR,
  ...PROGRESS,
  ...QUIET,
  ...HELP,
}

export const INSPECT_OPTIONS: OptionTable<InspectFlags> = {
  platform: {
    type: 'text',
    value: 'OS/ARCH[/VARIANT]',
    group: 'Input',
    description: 'Of an image for several platforms, show the one for this.',
  },
  referrers: {
    type: 'flag',
    group: 'Input',
    description: 'Say what refers to the image: signatures, attestations, bills of materials.',
  },
  ...REGISTRY,
  ...CACHE_DIR,
  ...FORMAT,
  raw: {
    type: 'flag',
    group: 'General',
    description: 'Print the manifest or index as it is, byte for byte.',
  },
  ...HELP,
}

export const INDEX_CREATE_OPTIONS: OptionTable<IndexCreateFlags> = {
  append: {
    type: 'flag',
    group: 'Input',
    description: 'Add to the index that is at the destination, where there is one.',
  },
  replace: {
    type: 'flag',
    group: 'Input',
    description: 'Of several images for one platform take the last; else they are an error.',
  },
  annotation: {
    type: 'list',
    value: 'KEY=VALUE',
    group: 'Image',
    description: 'Annotation of the index. Repeatable.',
  },
  'image-format': {
    type: 'choice',
    choices: ['oci', 'docker'],
    group: 'Image',
    description: 'Make an OCI index, or a manifest list of Docker.',
    default: 'oci',
  },
  ...DESTINATION,
  ...REGISTRY,
  ...CACHE_DIR,
  ...PROGRESS,
  ...QUIET,
  ...HELP,
}
