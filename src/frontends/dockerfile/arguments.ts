import { formatPlatform, OssbError, type Platform } from '../../core/index.ts'
import type { DockerfileInput } from '../../graph/index.ts'
import { locate } from './dockerfile-error.ts'
import type { ArgDeclaration, InstructionOf } from './instructions.ts'
import type { Dockerfile } from './stages.ts'
import { expandWord } from './words.ts'

/** Names and values of build arguments that the environment of a process gets without a declaration. */
const PROXY_NAMES = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY']

/** Arguments for attestations: readable, but never part of a process's environment. */
const NOT_IN_ENVIRONMENT = ['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE']

export function entersEnvironment(name: string): boolean {
  return !NOT_IN_ENVIRONMENT.includes(name)
}

/** The value of a --build-arg. */
export function buildArg(input: DockerfileInput, name: string): string | undefined {
  return Object.hasOwn(input.buildArgs, name) ? input.buildArgs[name] : undefined
}

/** Arguments that ask BuildKit for more than an image: what OSSB does not give must not seem to be given. */
const NOT_CARRIED_OUT: Readonly<Record<string, string>> = {
  BUILDKIT_INLINE_CACHE: 'no cache is written into images',
  BUILDKIT_ATTEST: 'attestations are asked for with --attest',
}

/** @throws OssbError ERR_OSSB_USAGE for a build argument that would turn on what is not there */
export function checkControlArguments({ buildArgs }: DockerfileInput): void {
  for (const [name, value] of Object.entries(buildArgs)) {
    const kind = name.startsWith('BUILDKIT_ATTEST_') ? 'BUILDKIT_ATTEST' : name
    const reason = Object.hasOwn(NOT_CARRIED_OUT, kind) ? NOT_CARRIED_OUT[kind] : undefined
    if (reason === undefined || /^(?:0|f|false|)$/i.test(value)) continue
    throw new OssbError('ERR_OSSB_USAGE', `Cannot use --build-arg ${name}=${value}: ${reason}`, {
      hint: 'Leave the argument out.',
    })
  }
}

/** `NAME=value` in upper and lower case for each proxy among the build arguments, whatever case it was given in. */
export function proxyEnvironment(input: DockerfileInput): readonly string[] {
  const given = new Map(Object.entries(input.buildArgs).map(([name, value]) => [name.toUpperCase(), value]))
  return PROXY_NAMES.flatMap((name) => {
    const value = given.get(name)
    return value === undefined ? [] : [`${name}=${value}`, `${name.toLowerCase()}=${value}`]
  })
}

function platformArgs(prefix: 'BUILD' | 'TARGET', platform: Platform): readonly [string, string][] {
  return [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}OSVERSION`, platform['os.version'] ?? ''],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ]
}

interface GlobalOptions {
  readonly dockerfile: Dockerfile
  readonly input: DockerfileInput
  readonly platform: Platform
}

/** The arguments that FROM lines see, by name. */
export type ArgumentScope = ReadonlyMap<string, string>

/** Called for each global ARG, with its value and the names that its default uses. */
type OnArgument = (
  declaration: ArgDeclaration & { readonly value?: string },
  instruction: InstructionOf<'ARG'>,
  uses: ReadonlySet<string>,
) => void

/**
 * What FROM lines see, and what an `ARG NAME` without a value takes in a stage: the platform's arguments, then
 * the ARGs before the first FROM. A build argument comes before a default.
 */
export function globalScope(options: GlobalOptions, onArgument?: OnArgument): ArgumentScope {
  const { dockerfile, input, platform } = options
  const predefined: [string, string][] = [
    ...platformArgs('BUILD', input.buildPlatform),
    ...platformArgs('TARGET', platform),
    ['TARGETSTAGE', input.target || 'default'],
  ]
  const scope = new Map(predefined.map(([name, value]) => [name, buildArg(input, name) ?? value]))
  const { escape } = dockerfile.directives
  for (const instruction of dockerfile.globalArgs) {
    for (const declaration of instruction.declarations) {
      const uses = new Set<string>()
      const lookup = (name: string) => {
        uses.add(name)
        return scope.get(name)
      }
      const { name, defaultValue } = declaration
      const value =
        buildArg(input, name) ??
        (defaultValue === undefined
          ? undefined
          : locate(instruction.range, () => expandWord(defaultValue, lookup, { escape })))
      if (value !== undefined) scope.set(name, value)
      onArgument?.({ ...declaration, ...(value === undefined ? {} : { value }) }, instruction, uses)
    }
  }
  return scope
}
