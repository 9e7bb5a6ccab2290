import type { FileHandle } from 'node:fs/promises'

/** More is not read of any table or section, whatever a file says of itself. */
const MAX_BYTES = 1 << 24

/** The bytes of a section of an ELF file (elf(5)); undefined for other files, broken ones, and those without it. */
export async function elfSection(file: FileHandle, name: string): Promise<Buffer | undefined> {
  const header = await readAt(file, 0, 64)
  if (header?.toString('latin1', 0, 4) !== '\x7fELF') return undefined
  const read = fieldReader(header[4] === 2, header[5] === 2)
  const table = read.header(header)
  const bytes = await readAt(file, table.offset, table.entrySize * table.count)
  if (bytes === undefined || table.entrySize < 40) return undefined
  const sections = Array.from({ length: table.count }, (_, at) =>
    read.section(bytes.subarray(at * table.entrySize, (at + 1) * table.entrySize)),
  )
  const strings = sections[table.names]
  const names = strings === undefined ? undefined : await readAt(file, strings.offset, strings.size)
  const wanted = Buffer.from(`${name}\0`)
  const found = sections.find(({ nameAt }) => names?.subarray(nameAt, nameAt + wanted.length).equals(wanted))
  return found === undefined ? undefined : await readAt(file, found.offset, found.size)
}

function fieldReader(is64: boolean, isBig: boolean) {
  const number = (bytes: Buffer, at: number, size: 2 | 4 | 8): number => {
    if (bytes.length < at + size) return 0
    if (size === 8) return Number(isBig ? bytes.readBigUInt64BE(at) : bytes.readBigUInt64LE(at))
    return isBig ? bytes.readUIntBE(at, size) : bytes.readUIntLE(at, size)
  }
  return {
    header: (bytes: Buffer) => ({
      offset: is64 ? number(bytes, 40, 8) : number(bytes, 32, 4),
      entrySize: number(bytes, is64 ? 58 : 46, 2),
      count: number(bytes, is64 ? 60 : 48, 2),
      names: number(bytes, is64 ? 62 : 50, 2),
    }),
    section: (bytes: Buffer) => ({
      nameAt: number(bytes, 0, 4),
      offset: is64 ? number(bytes, 24, 8) : number(bytes, 16, 4),
      size: is64 ? number(bytes, 32, 8) : number(bytes, 20, 4),
    }),
  }
}

/** Undefined where the file ends before. */
async function readAt(file: FileHandle, offset: number, size: number): Promise<Buffer | undefined> {
  if (size === 0 || size > MAX_BYTES || !Number.isSafeInteger(offset)) return undefined
  const { bytesRead, buffer } = await file.read(Buffer.alloc(size), 0, size, offset)
  return bytesRead < size ? undefined : buffer
}
