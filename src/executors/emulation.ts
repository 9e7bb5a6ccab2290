import { formatPlatform, hostPlatform, type Job, OssbError, type Platform } from '../core/index.ts'
import { type FileSession, type NativeHelper, openFileSession } from '../native/index.ts'
import { isNative, programArchitecture } from './architectures.ts'
import { findInterpreter, hostRegistration, registrationLine } from './interpreters.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Makes programs of other architectures run in the RUNs of a build. What it registered ends with it. */
export interface Emulation extends AsyncDisposable {
  /**
   * Whatever a process needs so that it runs. Nothing happens for one that this machine runs by itself.
   * @throws OssbError ERR_OSSB_EXECUTOR where it can't, with the remedy
   */
  prepare(process: EmulatedProcess, job: Job): Promise<EmulatedSettings>
}

export interface EmulatedProcess {
  readonly rootfs: string
  readonly program: string
  /** PATH of its environment. */
  readonly path: string
  /** What its image is for. */
  readonly platform: Platform
}

/** What of a process is another with emulation. */
export interface EmulatedSettings {
  /** Where the emulators are known; absent is that of this process. */
  readonly userNamespace?: string
}

export interface EmulationOptions {
  /**
   * `shared`: this process has a user namespace of its own, whose registry nobody else sees; `own`: it has none, and each
   * emulated process gets one; `none`: only what the machine has registered counts.
   */
  readonly registry: 'shared' | 'own' | 'none'
  readonly session: FileSession
  readonly helper: NativeHelper
  readonly directory: () => string
  readonly environment: Environment
  /** Emulators, and directories with some, that come before those on PATH. */
  readonly named: readonly string[]
}

const NOTHING: EmulatedSettings = {}

/** Starts and registers nothing before the first process that needs it. */
export function createEmulation(options: EmulationOptions): Emulation {
  const registry = createRegistry(options)
  const registered = new Map<string, Promise<EmulatedSettings>>()

  const require = (architecture: string, job: Job): Promise<EmulatedSettings> => {
    if (isNative(architecture)) return Promise.resolve(NOTHING)
    const known = registered.get(architecture) ?? provide(architecture, options, registry, job)
    registered.set(architecture, known)
    return known
  }

  return {
    async prepare({ rootfs, program, path, platform }, job) {
      const own = programArchitecture(rootfs, program, path)
      try {
        const settings = await require(platform.architecture, job)
        return own === undefined || own === platform.architecture ? settings : await require(own, job)
      } catch (error) {
        job.signal.throwIfAborted()
        // What the image says of itself is not always so.
        if (own !== undefined && isNative(own)) return NOTHING
        throw refusal(platform, own, error)
      }
    },
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  }
}

async function provide(
  architecture: string,
  { environment, named }: EmulationOptions,
  registry: Registry,
  job: Job,
): Promise<EmulatedSettings> {
  const found = findInterpreter(architecture, named, environment)
  const host = hostRegistration(architecture)
  const path = 'path' in found ? found.path : undefined
  let refused: unknown
  if (path !== undefined) {
    try {
      return await registry.add(registrationLine(architecture, path), job)
    } catch (error) {
      job.signal.throwIfAborted()
      refused = error
    }
  }
  if (host?.isFixed === true) return NOTHING
  throw new EmulationError(
    'reason' in found
      ? { reason: found.reason, lacks: 'interpreter' }
      : { reason: messageOf(refused), lacks: 'registration' },
  )
}

/** Why an architecture can't be emulated. */
class EmulationError extends Error {
  readonly lacks: 'interpreter' | 'registration'

  constructor({ reason, lacks }: { reason: string; lacks: EmulationError['lacks'] }) {
    super(reason)
    this.lacks = lacks
  }
}

/** What helps, by what is missing. */
export const EMULATION_REMEDIES: Readonly<Record<EmulationError['lacks'], string>> = {
  interpreter:
    'Install it (Debian and Ubuntu: apt-get install qemu-user-static), or name a static one with --qemu PATH.',
  registration:
    'Use Linux 6.7 or newer, or have root register the emulators for the whole machine, once: apt-get install qemu-user-static binfmt-support.',
}

function refusal(platform: Platform, own: string | undefined, cause: unknown): OssbError {
  const host = formatPlatform(hostPlatform())
  const program = own === undefined || own === platform.architecture ? '' : ` (its program is one for ${own})`
  const hint = cause instanceof EmulationError ? EMULATION_REMEDIES[cause.lacks] : undefined
  return new OssbError(
    'ERR_OSSB_EXECUTOR',
    `Cannot run a step for ${formatPlatform(platform)}${program} on ${host}: ${messageOf(cause)}`,
    {
      cause,
      ...(hint === undefined ? {} : { hint: `${hint} A build without such a step needs none of it.` }),
    },
  )
}

/** Where emulators are made known. */
interface Registry extends AsyncDisposable {
  add(line: string, job: Job): Promise<EmulatedSettings>
}

function createRegistry({ registry, session, helper, directory }: EmulationOptions): Registry {
  const own = registry === 'own' ? openFileSession(helper, 'own') : undefined
  const target = lazily(directory)
  let mounted: AsyncDisposable | undefined
  return {
    async add(line, job) {
      if (registry === 'none')
        throw new Error('only the emulators that this machine has registered can be used here')
      const mount = { type: 'interpreters', target: target(), lines: [line] } as const
      mounted = await (own ?? session).mount(mount, job)
      return own === undefined ? NOTHING : { userNamespace: own.userNamespace() }
    },
    async [Symbol.asyncDispose]() {
      await mounted?.[Symbol.asyncDispose]()
      await own?.[Symbol.asyncDispose]()
    },
  }
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
