import { OssbError } from '../core/index.ts'

/** A place in a git repository. */
export interface GitSource {
  /** What git is given: a URL, or `user@host:path`. */
  readonly remote: string
  /** A branch, a tag, a full name of either, or a commit; absent is what HEAD of the repository names. */
  readonly ref?: string
  /** A directory in the repository, relative; absent is all of it. */
  readonly subdir?: string
  /** What the commit, or an annotated tag that names it, has to begin with: hex digits. */
  readonly checksum?: string
  readonly keepGitDir?: boolean
  /** `true` where absent. */
  readonly submodules?: boolean
  /** When files were last changed: when they were checked out (absent) or when the commit was made. */
  readonly mtime?: 'commit'
  /** Ask the server for the commit that `checksum` names, whatever `ref` names by now. */
  readonly fetchByCommit?: boolean
}

/** Says that a URL is one of a git repository, whatever its path looks like: `git+https://host/repository`. */
const GIT_TRANSPORT = /^git\+(?=(?:https?|ssh):\/\/)/i

/** Whether a text names a git repository, as ADD and contexts write it: by its scheme, or by a path that ends in `.git`. */
export function isGitUrl(text: string): boolean {
  if (GIT_TRANSPORT.test(text)) return true
  if (/^(?:git|ssh):\/\//i.test(text)) return true
  if (/^https?:\/\//i.test(text))
    return /^[^?#]*\.git\/?(?:[?#]|$)/.test(text.replace(/^[^:]*:\/\/[^/?#]*/, ''))
  return /^[A-Za-z0-9_.-]{1,64}@[A-Za-z0-9_.-]{1,255}:(?!\/\/)./.test(text)
}

/** What a context may leave out: `github.com/owner/repository`. */
export function expandGitShorthand(text: string): string | undefined {
  return /^github\.com\/[^/]+\/[^/?#]/.test(text) ? `https://${text}` : undefined
}

/**
 * Reads `URL[?KEY=VALUE&…][#REF[:DIRECTORY]]`. The keys are ref, branch, tag, subdir, checksum, commit, keep-git-dir,
 * submodules, mtime and fetch-by-commit.
 * @throws OssbError ERR_OSSB_CONTEXT
 */
export function parseGitUrl(text: string): GitSource {
  const [beforeFragment, fragment = ''] = splitAt(text, '#')
  const [address, query = ''] = splitAt(beforeFragment, '?')
  const remote = address.replace(GIT_TRANSPORT, '')
  checkRemote(remote, text)
  const [fragmentRef, fragmentDirectory = ''] = splitAt(fragment, ':')
  const values = queryValues(query, text)
  const ref = chooseRef(fragmentRef, values, text)
  const subdir = cleanDirectory(agreed('subdir', fragmentDirectory, values.get('subdir') ?? '', text))
  const checksum = agreed('checksum', values.get('checksum') ?? '', values.get('commit') ?? '', text)
  const keepGitDir = flag('keep-git-dir', values, text)
  const submodules = flag('submodules', values, text)
  const fetchByCommit = flag('fetch-by-commit', values, text)
  const mtime = mtimeOf(values.get('mtime'), text)
  return {
    remote,
    ...(ref === '' ? {} : { ref: checkedRef(ref, text) }),
    ...(subdir === '' ? {} : { subdir }),
    ...(checksum === '' ? {} : { checksum: checkedCommit(checksum, text) }),
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
    ...(submodules === undefined ? {} : { submodules }),
    ...(mtime === undefined ? {} : { mtime }),
    ...(fetchByCommit === undefined ? {} : { fetchByCommit }),
  }
}

/**
 * The same source with what the flags of ADD say.
 * @throws OssbError ERR_OSSB_CONTEXT where they contradict the URL
 */
export function withGitFlags(
  source: GitSource,
  flags: { readonly keepGitDir: boolean; readonly checksum?: string },
  text: string,
): GitSource {
  if (flags.keepGitDir && source.keepGitDir === false)
    throw invalid(text, 'inconsistent keep-git-dir configuration')
  const { checksum } = flags
  if (checksum !== undefined && source.checksum !== undefined && checksum !== source.checksum)
    throw invalid(text, `checksum mismatch: "${source.checksum}" and "${checksum}"`)
  return {
    ...source,
    ...(flags.keepGitDir ? { keepGitDir: true } : {}),
    ...(checksum === undefined ? {} : { checksum: checkedCommit(checksum, text) }),
  }
}

const KEYS: ReadonlySet<string> = new Set([
  'ref',
  'branch',
  'tag',
  'subdir',
  'checksum',
  'commit',
  'keep-git-dir',
  'submodules',
  'mtime',
  'fetch-by-commit',
])

function queryValues(query: string, text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const [key, value] of new URLSearchParams(query)) {
    if (!KEYS.has(key)) throw invalid(text, `unexpected query "${key}"`)
    if (values.has(key)) throw invalid(text, `multiple values for query "${key}"`)
    values.set(key, value)
  }
  return values
}

function chooseRef(fragmentRef: string, values: ReadonlyMap<string, string>, text: string): string {
  const ref = agreed('ref', fragmentRef, values.get('ref') ?? '', text)
  const branch = values.get('branch') ?? ''
  const tag = values.get('tag') ?? ''
  if (branch !== '' && tag !== '') throw invalid(text, `branch conflicts with tag: "${branch}" and "${tag}"`)
  const full =
    branch !== '' ? qualified('refs/heads/', branch) : tag !== '' ? qualified('refs/tags/', tag) : ''
  const short = branch !== '' ? branch : tag
  return full !== '' && (ref === short || ref === full) ? full : agreed('ref', ref, full, text)
}

function qualified(prefix: string, name: string): string {
  return name.startsWith(prefix) ? name : `${prefix}${name}`
}

/** What two places say, when they do not contradict each other. */
function agreed(what: string, first: string, second: string, text: string): string {
  if (first !== '' && second !== '' && first !== second)
    throw invalid(text, `${what} conflicts: "${first}" and "${second}"`)
  return first || second
}

function flag(key: string, values: ReadonlyMap<string, string>, text: string): boolean | undefined {
  const value = values.get(key)
  if (value === undefined) return undefined
  if (/^(?:|1|t|true)$/i.test(value)) return true
  if (/^(?:0|f|false)$/i.test(value)) return false
  throw invalid(text, `the value "${value}" of "${key}" is not true or false`)
}

function mtimeOf(value: string | undefined, text: string): 'commit' | undefined {
  if (value === 'commit') return value
  if (value === undefined || value === 'checkout') return undefined
  throw invalid(text, `the value "${value}" of "mtime" is not "checkout" or "commit"`)
}

/** `..` stops at the root of the repository. */
function cleanDirectory(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/** By the rules of git-check-ref-format, as far as they keep a name from being something else. */
function checkedRef(ref: string, text: string): string {
  if (/^-|[\s~^:?*[\\\u0000-\u001f\u007f]|\.\.|@\{/.test(ref)) throw invalid(text, `"${ref}" is not a ref`)
  return ref
}

function checkedCommit(checksum: string, text: string): string {
  if (/^[0-9a-f]{7,64}$/i.test(checksum)) return checksum.toLowerCase()
  throw invalid(text, `invalid checksum "${checksum}": it is not the beginning of a commit's name`)
}

function checkRemote(remote: string, text: string): void {
  const isUrl = remote.includes('://')
  const host = isUrl ? hostOf(remote) : (/@([^:]*):/.exec(remote)?.[1] ?? '')
  if (host === '' || host.startsWith('-')) throw invalid(text, 'it names no host')
}

function hostOf(remote: string): string {
  return URL.canParse(remote) ? new URL(remote).hostname : ''
}

function invalid(text: string, reason: string): OssbError {
  return new OssbError('ERR_OSSB_CONTEXT', `Cannot use "${text}": ${reason}`)
}

function splitAt(text: string, separator: string): readonly [string, string?] {
  const at = text.indexOf(separator)
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}
