import { arch } from 'node:os'

const CLONE_NEWUSER = 0x1000_0000
const MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183 }
const BASE = 0x40_0000
const HEADERS = 64 + 56

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

/** A system call that says who owns a file, by one of the calling conventions of this machine. */
export interface OwnerCall {
  readonly name: string
  /** Ends with the number of the error. Descriptor 3 is the file, too. */
  readonly code: Buffer
  readonly error: number
}

const TO_FILE = 3
const AT_FDCWD = 0xffff_ff9c
const NO_FOLLOW = 0x100
const EMPTY_PATH = 0x1000
const ENOSYS = 38

/** Arguments by number; text is put behind the code and its address taken. */
type Argument = number | string

/** mov eax, number; mov of each argument to its register; the call; neg eax; mov edi, eax; mov eax, 60 (exit); syscall */
function ownerCode(number: number, call: 'syscall' | 'int80', args: readonly Argument[]): Buffer {
  const registers = call === 'syscall' ? ['bf', 'be', 'ba', '41ba', '41b8'] : ['bb', 'b9', 'ba', 'be', 'bf']
  const end = `${call === 'syscall' ? '0f05' : 'cd80'} f7d8 89c7 b83c000000 0f05`
  const assemble = (text: number): Buffer =>
    hex(
      `b8${le(number)} ${args.map((arg, i) => `${registers[i]}${le(typeof arg === 'string' ? text : arg)}`).join('')} ${end}`,
    )
  const text = args.find((arg) => typeof arg === 'string') ?? ''
  return Buffer.concat([assemble(BASE + HEADERS + assemble(0).length), Buffer.from(`${text}\0`)])
}

const AF_VSOCK = 40
const SOCK_STREAM = 1

/** socket() to the machine that this one is a guest of, by the calling conventions that can say so. */
export const HOST_SOCKETS: readonly { readonly convention: string; readonly code: Buffer }[] =
  arch() === 'x64'
    ? [
        { convention: 'x86-64', code: ownerCode(41, 'syscall', [AF_VSOCK, SOCK_STREAM, 0]) },
        { convention: 'i386', code: ownerCode(359, 'int80', [AF_VSOCK, SOCK_STREAM, 0]) },
      ]
    : []

/** Each gives `path` to 7:8. */
export function ownerCalls(path: string): readonly OwnerCall[] {
  if (arch() !== 'x64') return []
  const native = (name: string, number: number, args: readonly Argument[], error = 0): OwnerCall => ({
    name,
    code: ownerCode(number, 'syscall', args),
    error,
  })
  const i386 = (name: string, number: number, args: readonly Argument[]): OwnerCall => ({
    name: `${name} of i386`,
    code: ownerCode(number, 'int80', args),
    error: 0,
  })
  return [
    native('chown', 92, [path, 7, 8]),
    native('lchown', 94, [path, 7, 8]),
    native('fchown', 93, [TO_FILE, 7, 8]),
    native('fchownat', 260, [AT_FDCWD, path, 7, 8, NO_FOLLOW]),
    native('fchownat without a path', 260, [TO_FILE, '', 7, 8, EMPTY_PATH]),
    native('fchownat of x32', 0x4000_0000 + 260, [AT_FDCWD, path, 7, 8, 0], ENOSYS),
    i386('chown32', 212, [path, 7, 8]),
    i386('lchown32', 198, [path, 7, 8]),
    i386('fchown32', 207, [TO_FILE, 7, 8]),
    i386('chown', 182, [path, 7, 8]),
    i386('lchown', 16, [path, 7, 8]),
    i386('fchown', 95, [TO_FILE, 7, 8]),
    i386('fchownat', 298, [AT_FDCWD, path, 7, 8, 0]),
  ]
}

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
