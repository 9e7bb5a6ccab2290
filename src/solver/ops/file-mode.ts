import { OssbError } from '../../core/index.ts'

/**
 * The mode that `--chmod` gives a file: octal digits, or a symbolic list as chmod(1) takes it with a umask of 0
 * ("u=rwX,go=rX", "+x").
 * @param current the 12 permission bits that the file has
 */
export function applyMode(spec: string, current: number, isDirectory: boolean): number {
  const octal = octalMode(spec)
  if (octal !== undefined) return octal
  return spec.split(',').reduce((mode, clause) => applyClause(clause, mode, isDirectory, spec), current)
}

/** Whether `--chmod` also holds for directories that are made on the way: only octal digits do. */
export function octalMode(spec: string | undefined): number | undefined {
  return spec !== undefined && /^0*[0-7]{1,4}$/.test(spec) ? Number.parseInt(spec, 8) : undefined
}

const CLASSES = { u: 0o4700, g: 0o2070, o: 0o1007 } as const

function applyClause(clause: string, mode: number, isDirectory: boolean, spec: string): number {
  const match = /^([ugoa]*)((?:[-+=][rwxXstugo]*)+)$/.exec(clause)
  if (match === null)
    throw new OssbError(
      'ERR_OSSB_USAGE',
      `invalid chmod parameter: '${spec}'. it should be octal string and between 0 and 07777, or a symbolic mode`,
    )
  const who = match[1] === '' || match[1] === undefined ? 'a' : match[1]
  const classes = (who.includes('a') ? 'ugo' : who).split('') as (keyof typeof CLASSES)[]
  const mask = classes.reduce((bits, name) => bits | CLASSES[name], 0)
  let result = mode
  for (const [, operator, permissions = ''] of (match[2] ?? '').matchAll(/([-+=])([rwxXstugo]*)/g)) {
    const bits = permissionBits(permissions, result, isDirectory) & mask
    if (operator === '+') result |= bits
    else if (operator === '-') result &= ~bits
    // GNU chmod keeps a directory's set-user-ID and set-group-ID bits unless they are named.
    else result = (result & ~(isDirectory ? mask & 0o1777 : mask)) | bits
  }
  return result
}

function permissionBits(permissions: string, mode: number, isDirectory: boolean): number {
  const spread = (bits: number) => bits | (bits << 3) | (bits << 6)
  const values: Readonly<Record<string, number>> = {
    r: 0o444,
    w: 0o222,
    x: 0o111,
    X: isDirectory || (mode & 0o111) !== 0 ? 0o111 : 0,
    s: 0o6000,
    t: 0o1000,
    u: spread((mode >> 6) & 7),
    g: spread((mode >> 3) & 7),
    o: spread(mode & 7),
  }
  return permissions.split('').reduce((bits, letter) => bits | (values[letter] ?? 0), 0)
}
