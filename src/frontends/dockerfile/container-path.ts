import { posix } from 'node:path'

/** A path inside the image made absolute and clean; `..` stops at the root. */
export function absolutePath(base: string, path: string): string {
  return posix.resolve('/', base, path)
}

/** The destination of COPY and ADD: absolute, with the trailing slash that makes it a directory, if it had one. */
export function destinationPath(workingDir: string, path: string): string {
  const clean = absolutePath(workingDir, path)
  const isDirectory = path.endsWith('/') || path.endsWith('/.') || path === '.'
  return isDirectory && clean !== '/' ? `${clean}/` : clean
}

/** WORKDIR: an absolute path stays as it is written, a relative one is joined to the one before. */
export function workingDirectory(current: string, path: string): string {
  return path.startsWith('/') ? path : absolutePath(current, path)
}

/** The path of a source, relative to the root that it is taken from; the root itself is ".". */
export function sourcePath(path: string): string {
  return absolutePath('/', path).slice(1) || '.'
}

/** As sourcePath(), with the pivot `/./` of COPY --parents left where it is. */
export function parentsSourcePath(path: string): string {
  const pivot = path.indexOf('/./')
  if (pivot === -1) return sourcePath(path)
  return `${sourcePath(path.slice(0, pivot))}/./${sourcePath(path.slice(pivot + 3))}`
}
