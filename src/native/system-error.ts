import { getSystemErrorName } from 'node:util'

const names = new Map<number, string>()

/** The name of an error number of this system ("ENOENT"). */
export function errnoName(errno: number): string {
  const known = names.get(errno)
  if (known !== undefined) return known
  const name = findName(errno)
  names.set(errno, name)
  return name
}

function findName(errno: number): string {
  try {
    return getSystemErrorName(-errno)
  } catch {
    return `errno ${errno}`
  }
}

/** A failed system call of the helper as Node reports its own: `code` is the name, the message starts with it. */
export function systemError(errno: number, detail: string): Error {
  const code = errnoName(errno)
  return Object.assign(new Error(`${code}: ${detail}`), { code, errno: -errno, syscall: detail })
}
