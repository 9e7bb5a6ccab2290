import { arch } from 'node:os'
import { OssbError } from './errors.ts'

/** What an image runs on (image-spec image-index.md, GOOS and GOARCH names), always in normal form. */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
  readonly 'os.version'?: string
}

const ARCHITECTURE_ALIASES: Readonly<Record<string, readonly [string, string?]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  i386: ['386'],
  i686: ['386'],
}

const OPERATING_SYSTEMS = [
  'linux',
  'windows',
  'darwin',
  'freebsd',
  'netbsd',
  'openbsd',
  'solaris',
  'wasip1',
  'js',
  'plan9',
  'aix',
  'android',
  'dragonfly',
  'illumos',
  'ios',
  'zos',
]
const ARCHITECTURES = [
  '386',
  'amd64',
  'arm',
  'arm64',
  'loong64',
  'mips',
  'mips64',
  'mips64le',
  'mipsle',
  'ppc64',
  'ppc64le',
  'riscv64',
  's390x',
  'wasm',
  'amd64p32',
  'armbe',
  'arm64be',
  'ppc',
  'riscv',
  's390',
  'sparc',
  'sparc64',
]

/** One architecture and variant in normal form: `arm64/v8` and `amd64/v1` have no variant, `arm` is `v7`. */
export function normalizePlatform(platform: Platform): Platform {
  const alias = ARCHITECTURE_ALIASES[platform.architecture.toLowerCase()]
  const architecture = alias?.[0] ?? platform.architecture.toLowerCase()
  const named = platform.variant?.toLowerCase() || alias?.[1]
  const spelled = named !== undefined && /^\d/.test(named) ? `v${named}` : named
  const variant =
    architecture === 'arm' ? (spelled ?? 'v7') : isDefaultVariant(architecture, spelled) ? undefined : spelled
  return {
    os: platform.os.toLowerCase() === 'macos' ? 'darwin' : platform.os.toLowerCase(),
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(platform['os.version'] === undefined ? {} : { 'os.version': platform['os.version'] }),
  }
}

function isDefaultVariant(architecture: string, variant: string | undefined): boolean {
  return (
    variant === '' ||
    (architecture === 'arm64' && variant === 'v8') ||
    (architecture === 'amd64' && variant === 'v1')
  )
}

/**
 * Reads `os/arch[/variant]`, `os` or `arch`, as `docker buildx build --platform` does.
 * @throws OssbError ERR_OSSB_PLATFORM_INVALID for an unknown operating system or architecture
 */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  if (text === 'local') return host
  const parts = text.split('/')
  const [first = '', second, variant] = parts
  const invalid = (why: string) =>
    new OssbError('ERR_OSSB_PLATFORM_INVALID', `Cannot use "${text}" as a platform: ${why}`, {
      hint: 'A platform is os/architecture[/variant], for example linux/amd64, linux/arm64 or linux/arm/v7.',
    })
  if (parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.-]+$/.test(part)))
    throw invalid('it is not os/architecture[/variant]')
  if (second === undefined) {
    if (OPERATING_SYSTEMS.includes(first.toLowerCase())) return normalizePlatform({ ...host, os: first })
    const platform = normalizePlatform({ os: host.os, architecture: first })
    if (ARCHITECTURES.includes(platform.architecture)) return platform
    throw invalid(`"${first}": unknown operating system or architecture`)
  }
  const platform = normalizePlatform({
    os: first,
    architecture: second,
    ...(variant === undefined ? {} : { variant }),
  })
  if (!OPERATING_SYSTEMS.includes(platform.os)) throw invalid(`"${first}": unknown operating system`)
  if (!ARCHITECTURES.includes(platform.architecture)) throw invalid(`"${second}": unknown architecture`)
  return platform
}

export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter((part) => part !== undefined).join('/')
}

const NODE_ARCHITECTURES: Readonly<Record<string, Platform>> = {
  x64: { os: 'linux', architecture: 'amd64' },
  arm64: { os: 'linux', architecture: 'arm64' },
  arm: { os: 'linux', architecture: 'arm', variant: 'v7' },
  ia32: { os: 'linux', architecture: '386' },
  ppc64: { os: 'linux', architecture: 'ppc64le' },
  s390x: { os: 'linux', architecture: 's390x' },
  riscv64: { os: 'linux', architecture: 'riscv64' },
  loong64: { os: 'linux', architecture: 'loong64' },
}

/** The platform that this process runs on. */
export function hostPlatform(architecture: string = arch()): Platform {
  return NODE_ARCHITECTURES[architecture] ?? { os: 'linux', architecture }
}

/** The variants that run on `wanted`, best first; an absent variant is the baseline. Never another architecture. */
function compatibleVariants({ architecture, variant }: Platform): readonly (string | undefined)[] {
  const level = Number(/^v(\d+)/.exec(variant ?? '')?.[1] ?? Number.NaN)
  const down = (from: number, to: number) =>
    Array.from({ length: Math.max(0, from - to + 1) }, (_, i) => `v${from - i}`)
  if (architecture === 'arm') return [...down(Number.isNaN(level) ? 7 : level, 5)]
  if (architecture === 'arm64') return armLevels(variant)
  if (architecture === 'amd64') return [...down(Number.isNaN(level) ? 1 : level, 2), undefined]
  return [variant, ...(variant === undefined ? [] : [undefined])]
}

/** arm64 levels have minor ones: v9.n can do all that v8.(n+5) can (Arm Architecture Reference Manual, A2.1). */
function armLevels(variant: string | undefined): readonly (string | undefined)[] {
  const [, major = '8', minor = '0'] = /^v([89])(?:\.(\d))?$/.exec(variant ?? 'v8') ?? []
  const down = (of: string, from: number) => Array.from({ length: from }, (_, i) => `v${of}.${from - i}`)
  const levels =
    major === '9'
      ? [...down('9', Number(minor)), 'v9', 'v9.0', ...down('8', Math.min(9, Number(minor) + 5))]
      : down('8', Number(minor))
  return [variant, ...levels, undefined].filter((one, at, all) => all.indexOf(one) === at)
}

/**
 * How well an image of platform `have` serves `wanted`: 0 is exact, larger is worse, undefined is not at all.
 */
export function platformRank(have: Platform, wanted: Platform): number | undefined {
  const candidate = normalizePlatform(have)
  const target = normalizePlatform(wanted)
  if (candidate.os !== target.os || candidate.architecture !== target.architecture) return undefined
  const rank = compatibleVariants(target).indexOf(candidate.variant)
  return rank === -1 ? undefined : rank
}
