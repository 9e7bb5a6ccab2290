import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { elfPattern, isStatic, matches, qemuName, readHead } from './architectures.ts'
import { findProgram } from './find-program.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** An emulator that can be registered, or why there is none. */
export type FoundInterpreter = { readonly path: string } | { readonly reason: string }

/** Where the machine's own registrations are seen. */
const REGISTRY = '/proc/sys/fs/binfmt_misc'

/** What is registered for the whole machine. */
export interface Registration {
  readonly name: string
  readonly interpreter: string
  /** `F`: the interpreter was opened when it was registered, so that a root file system need not have it. */
  readonly isFixed: boolean
}

/**
 * The emulator for an architecture: what `named` has (programs, or directories with some), else what PATH has. It has to
 * be static, as it finds no library of this machine inside another root.
 */
export function findInterpreter(
  architecture: string,
  named: readonly string[],
  environment: Environment,
): FoundInterpreter {
  const qemu = qemuName(architecture)
  if (qemu === undefined) return { reason: `QEMU emulates no ${architecture}` }
  const names = [`qemu-${qemu}-static`, `qemu-${qemu}`]
  const found = [
    ...namedPrograms(names, named),
    ...names.flatMap((name) => findProgram(name, environment) ?? []),
  ]
  const usable = found.find((path) => isStatic(readHead(path) ?? Buffer.alloc(0)))
  if (usable !== undefined) return { path: usable }
  const [unusable] = found
  return {
    reason:
      unusable === undefined
        ? `there is no ${names[0]} on PATH`
        : `"${unusable}" is no static program, so that it can't start inside another root`,
  }
}

function namedPrograms(names: readonly string[], named: readonly string[]): readonly string[] {
  return named.flatMap((path) => {
    if (names.some((name) => path === name || path.endsWith(`/${name}`))) return [path]
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return []
    return names.map((name) => join(path, name)).filter((file) => readHead(file) !== undefined)
  })
}

/** The machine's registration for programs of the architecture, if there is one that is on. */
export function hostRegistration(
  architecture: string,
  registry: string = REGISTRY,
): Registration | undefined {
  const wanted = elfPattern(architecture)
  if (wanted === undefined) return undefined
  return entriesOf(registry).find(({ pattern }) => pattern !== undefined && matches(wanted.magic, pattern))
}

function entriesOf(registry: string) {
  try {
    return readdirSync(registry)
      .filter((name) => name !== 'register' && name !== 'status')
      .flatMap((name) => readEntry(name, readFileSync(join(registry, name), 'utf8')) ?? [])
  } catch {
    return []
  }
}

function readEntry(name: string, text: string) {
  const field = (key: string) => new RegExp(`^${key}:? (.*)$`, 'm').exec(text)?.[1]
  const interpreter = field('interpreter')
  const magic = field('magic')
  if (
    !text.startsWith('enabled') ||
    interpreter === undefined ||
    field('offset') !== '0' ||
    magic === undefined
  )
    return undefined
  const bytes = Buffer.from(magic, 'hex')
  const mask = field('mask')
  const pattern = {
    magic: bytes,
    mask: mask === undefined ? Buffer.alloc(bytes.length, 0xff) : Buffer.from(mask, 'hex'),
  }
  return { name, interpreter, isFixed: field('flags')?.includes('F') === true, pattern }
}

/**
 * The line that registers an emulator (Linux, admin-guide/binfmt-misc): opened now (F), with the credentials of the program
 * that it runs, so that set-id programs work (C), and told the name that the program was called by (P).
 */
export function registrationLine(architecture: string, interpreter: string): string {
  const { magic, mask } = elfPattern(architecture) ?? { magic: Buffer.alloc(0), mask: Buffer.alloc(0) }
  return `:ossb-${architecture}:M::${escaped(magic)}:${escaped(mask)}:${interpreter}:PCF`
}

function escaped(bytes: Buffer): string {
  return [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}
