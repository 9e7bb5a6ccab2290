import { closeSync, openSync, readSync } from 'node:fs'
import { hostPlatform } from '../core/index.ts'
import { resolveInRoot } from '../fs/index.ts'

/** What programs of an architecture begin with (ELF), and what QEMU calls it. */
interface Architecture {
  readonly qemu: string
  readonly bits: 32 | 64
  readonly order: 'little' | 'big'
  /** e_machine */
  readonly machine: number
}

const little = (qemu: string, bits: 32 | 64, machine: number): Architecture => ({
  qemu,
  bits,
  order: 'little',
  machine,
})
const big = (qemu: string, bits: 32 | 64, machine: number): Architecture => ({
  qemu,
  bits,
  order: 'big',
  machine,
})

/** By their names in Go (GOARCH). */
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  amd64: little('x86_64', 64, 62),
  '386': little('i386', 32, 3),
  arm64: little('aarch64', 64, 183),
  arm64be: big('aarch64_be', 64, 183),
  arm: little('arm', 32, 40),
  armbe: big('armeb', 32, 40),
  loong64: little('loongarch64', 64, 258),
  mips: big('mips', 32, 8),
  mipsle: little('mipsel', 32, 8),
  mips64: big('mips64', 64, 8),
  mips64le: little('mips64el', 64, 8),
  ppc: big('ppc', 32, 20),
  ppc64: big('ppc64', 64, 21),
  ppc64le: little('ppc64le', 64, 21),
  riscv: little('riscv32', 32, 243),
  riscv64: little('riscv64', 64, 243),
  s390x: big('s390x', 64, 22),
  sparc: big('sparc', 32, 2),
  sparc64: big('sparc64', 64, 43),
}

/** Architectures that a processor of the key runs by itself. */
const NATIVE: Readonly<Record<string, readonly string[]>> = {
  amd64: ['amd64', '386'],
  arm64: ['arm64', 'arm'],
}

export function isNative(architecture: string): boolean {
  const host = hostPlatform().architecture
  return (NATIVE[host] ?? [host]).includes(architecture)
}

/** Those that this machine needs an emulation for and QEMU has one. */
export function foreignArchitectures(): readonly string[] {
  return Object.keys(ARCHITECTURES).filter((architecture) => !isNative(architecture))
}

/** `aarch64` for arm64; undefined where QEMU has none. */
export function qemuName(architecture: string): string | undefined {
  return ARCHITECTURES[architecture]?.qemu
}

/** The first bytes of a program, and which bits of them count: what a registration of an interpreter compares. */
export interface ElfPattern {
  readonly magic: Buffer
  readonly mask: Buffer
}

/** Bytes of the header that tell programs of one architecture from all others. */
const HEADER_BYTES = 20

/** Of executables and shared objects (which position-independent programs are), whatever their ABI is called. */
export function elfPattern(architecture: string): ElfPattern | undefined {
  const known = ARCHITECTURES[architecture]
  if (known === undefined) return undefined
  const isBig = known.order === 'big'
  const magic = Buffer.alloc(HEADER_BYTES)
  magic.set([0x7f, 0x45, 0x4c, 0x46, known.bits / 32, isBig ? 2 : 1, 1])
  const mask = Buffer.alloc(HEADER_BYTES, 0xff)
  mask[7] = 0
  const put = (buffer: Buffer, value: number, at: number) =>
    isBig ? buffer.writeUInt16BE(value, at) : buffer.writeUInt16LE(value, at)
  put(magic, 2, 16)
  put(mask, 0xfffe, 16)
  put(magic, known.machine, 18)
  return { magic, mask }
}

/** How many scripts may be interpreted by scripts: as many as for the kernel. */
const SCRIPTS = 4

/**
 * The architecture of a program of a root file system, or of what interprets it; undefined where that can't be told.
 * @param program a path, or a name that is looked for in `path`
 */
export function programArchitecture(
  rootfs: string,
  program: string,
  path: string,
  scripts: number = SCRIPTS,
): string | undefined {
  const candidates = program.includes('/')
    ? [program]
    : path.split(':').map((directory) => `${directory}/${program}`)
  for (const candidate of candidates) {
    const head = readHead(resolveInRoot(rootfs, candidate, { last: 'follow' }))
    if (head === undefined) continue
    const [, interpreter] = /^#![ \t]*([^ \t\n]+)/.exec(head.toString('latin1')) ?? []
    if (interpreter === undefined) return architectureOf(head)
    return scripts === 0 ? undefined : programArchitecture(rootfs, interpreter, path, scripts - 1)
  }
  return undefined
}

function architectureOf(head: Buffer): string | undefined {
  return Object.keys(ARCHITECTURES).find((architecture) => {
    const pattern = elfPattern(architecture)
    return pattern !== undefined && matches(head, pattern)
  })
}

/** Whether the bytes begin as the pattern says. */
export function matches(head: Buffer, { magic, mask }: ElfPattern): boolean {
  return (
    head.length >= magic.length &&
    magic.every((byte, at) => ((head[at] as number) & (mask[at] as number)) === (byte & (mask[at] as number)))
  )
}

const PAGE_BYTES = 4096

/** The first page of a file; undefined for what can't be read as one. */
export function readHead(path: string): Buffer | undefined {
  try {
    const fd = openSync(path, 'r')
    try {
      const bytes = Buffer.alloc(PAGE_BYTES)
      return bytes.subarray(0, readSync(fd, bytes, 0, PAGE_BYTES, 0))
    } finally {
      closeSync(fd)
    }
  } catch {
    return undefined
  }
}

/** Whether a 64- or 32-bit program of this machine needs no other file to start: it names no loader (PT_INTERP). */
export function isStatic(head: Buffer): boolean {
  if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46) return false
  const isWide = head[4] === 2
  const isBig = head[5] === 2
  const half = (at: number) => (isBig ? head.readUInt16BE(at) : head.readUInt16LE(at))
  const word = (at: number) => (isBig ? head.readUInt32BE(at) : head.readUInt32LE(at))
  // The offset's upper half is zero in any real program: headers follow at once.
  const start = isWide ? word(isBig ? 36 : 32) : word(28)
  const [size, count] = isWide ? [half(54), half(56)] : [half(42), half(44)]
  for (let i = 0; i < count; i++) {
    const at = start + i * size
    if (at + 4 > head.length) return false
    if (word(at) === 3) return false
  }
  return true
}
