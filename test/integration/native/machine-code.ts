import { arch } from 'node:os'

const CLONE_NEWUSER = 0x1000_0000

/** System calls by each calling convention of this machine that try to make a user namespace. */
export interface Attempt {
  readonly convention: string
  readonly code: Buffer
  /** What the filter answers. */
  readonly refusal: 'EPERM' | 'ENOSYS'
}

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex')
const le = (number: number): string => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(number)
  return bytes.toString('hex')
}

/** mov eax, number; mov edi and ebx, CLONE_NEWUSER; the call; neg eax; mov edi, eax; mov eax, 60 (exit); syscall */
const x64 = (number: number, call: string): Buffer =>
  hex(`b8${le(number)} bf${le(CLONE_NEWUSER)} bb${le(CLONE_NEWUSER)} ${call} f7d8 89c7 b83c000000 0f05`)

const ATTEMPTS: Readonly<Record<string, readonly Attempt[]>> = {
  x64: [
    { convention: 'x86-64', code: x64(272, '0f05'), refusal: 'EPERM' },
    { convention: 'i386', code: x64(310, 'cd80'), refusal: 'EPERM' },
    { convention: 'x32', code: x64(0x4000_0000 + 272, '0f05'), refusal: 'ENOSYS' },
  ],
  // movz x0, #0x1000, lsl #16; movz x8, #97; svc #0; neg x0, x0; movz x8, #94; svc #0
  arm64: [
    {
      convention: 'arm64',
      code: hex('0000a2d2 280c80d2 010000d4 e00300cb c80b80d2 010000d4'),
      refusal: 'EPERM',
    },
  ],
}

export const NAMESPACE_ATTEMPTS: readonly Attempt[] = ATTEMPTS[arch()] ?? []

const MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183 }
const BASE = 0x40_0000
const HEADERS = 64 + 56

/** The smallest static program around some machine code (ELF, 64 bit). */
export function program(code: Buffer): Buffer {
  const size = HEADERS + code.length
  const bytes = Buffer.alloc(size)
  bytes.write('\x7fELF\x02\x01\x01', 0, 'latin1')
  bytes.writeUInt16LE(2, 16)
  bytes.writeUInt16LE(MACHINES[arch()] ?? 0, 18)
  bytes.writeUInt32LE(1, 20)
  bytes.writeBigUInt64LE(BigInt(BASE + HEADERS), 24)
  bytes.writeBigUInt64LE(64n, 32)
  for (const [value, at] of [
    [64, 52],
    [56, 54],
    [1, 56],
  ] as const)
    bytes.writeUInt16LE(value, at)
  bytes.writeUInt32LE(1, 64)
  bytes.writeUInt32LE(5, 68)
  for (const [value, at] of [
    [0, 72],
    [BASE, 80],
    [BASE, 88],
    [size, 96],
    [size, 104],
    [4096, 112],
  ] as const)
    bytes.writeBigUInt64LE(BigInt(value), at)
  code.copy(bytes, HEADERS)
  return bytes
}
