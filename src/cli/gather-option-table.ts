import { BUILD_OPTIONS } from './build-option-table.ts'
import {
  type OptionTable,
  type HelpFlags,
  type CacheFlags,
  type RegistryFlags,
  type ProgressFlags,
  type InputFlags,
  HELP,
  CACHE_DIR,
  REGISTRY,
  INPUT,
} from './option-table.ts'

/** Of the commands that look up, or bring here, what a build takes from elsewhere. */
export interface GatherFlags extends HelpFlags, CacheFlags, RegistryFlags, InputFlags, ProgressFlags {
  readonly platform: readonly string[]
  readonly frontend: string | undefined
  readonly secret: readonly string[]
  readonly lock: string | undefined
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
