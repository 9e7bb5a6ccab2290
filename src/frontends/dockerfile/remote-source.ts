/** Whether a source of ADD names a git repository: by its scheme, or by a path that ends in `.git`. */
export function isGitSource(source: string): boolean {
  if (/^(?:git|ssh):\/\//i.test(source)) return true
  if (isHttpSource(source)) return /\.git\/?$/.test(pathOf(source))
  return /^[A-Za-z0-9_.-]{1,64}@[A-Za-z0-9_.-]{1,255}:(?!\/\/)./.test(source)
}

export function isHttpSource(source: string): boolean {
  return /^https?:\/\//i.test(source)
}

/** The file name that a URL downloads to: the last part of its path. */
export function downloadName(url: string): string {
  const path = pathOf(url)
  const name = path.slice(path.lastIndexOf('/') + 1)
  const decoded = decode(name)
  return decoded === '' || decoded === '.' || decoded === '..' || /[/\0]/.test(decoded)
    ? '__unnamed__'
    : decoded
}

/** The path of a URL, without host, query and fragment. */
function pathOf(url: string): string {
  const rest = url.slice(url.indexOf('://') + 3).split(/[?#]/, 1)[0] ?? ''
  const slash = rest.indexOf('/')
  return slash === -1 ? '' : rest.slice(slash)
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
