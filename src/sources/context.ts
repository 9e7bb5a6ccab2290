import { lstatSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { fileSystemError, type Job, OssbError } from '../core/index.ts'
import { lstatIfPresent, resolveInRoot, type SourceTree } from '../fs/index.ts'
import { readAll, writeStreamAtomic } from '../io/index.ts'
import { openDirectory } from './directory.ts'
import { type FoundDockerfile, readDockerfile } from './dockerfile.ts'
import { type Downloaded, download, placeDownload } from './download.ts'
import { checkOut } from './git.ts'
import { expandGitShorthand, type GitSource, isGitUrl, parseGitUrl } from './git-url.ts'
import { fetchObject, isObjectUrl, isSharedBlob } from './object-store.ts'
import type { SourceServices } from './services.ts'

/** Where a build context is. */
export type ContextSpec =
  | { readonly type: 'directory'; readonly path: string }
  | { readonly type: 'archive'; readonly path: string }
  | { readonly type: 'stdin' }
  | { readonly type: 'git'; readonly git: GitSource }
  | { readonly type: 'http'; readonly url: string }
  /** `s3://BUCKET/KEY` or `gs://BUCKET/KEY`: an archive. */
  | { readonly type: 'object'; readonly url: string }
  /** `docker-image://`, `oci-layout://`, `oci-archive://` and `docker-archive://`: no files but an image, `reference` as FROM would name it. */
  | { readonly type: 'image'; readonly reference: string }

/** More than any Dockerfile, and little enough to be read into memory. */
const DOCKERFILE_BYTES = 16 * 1024 * 1024

/**
 * What `ossb build CONTEXT` or `--build-context NAME=CONTEXT` means by a text. A directory or file that is there comes
 * before `github.com/owner/repository`.
 * @throws OssbError ERR_OSSB_CONTEXT
 */
export function parseContext(text: string): ContextSpec {
  if (text === '-') return { type: 'stdin' }
  const image = imageReference(text)
  if (image !== undefined) return { type: 'image', reference: image }
  if (isGitUrl(text)) return { type: 'git', git: parseGitUrl(text) }
  if (isHttpUrl(text)) return { type: 'http', url: text }
  if (isObjectUrl(text)) return { type: 'object', url: text }
  const stats = statSync(text, { throwIfNoEntry: false })
  const shorthand = stats === undefined ? expandGitShorthand(text) : undefined
  if (shorthand !== undefined) return { type: 'git', git: parseGitUrl(shorthand) }
  return { type: stats?.isFile() === true ? 'archive' : 'directory', path: text }
}

/** An OCI layout or an archive may be relative here, unlike in a Dockerfile. */
function imageReference(text: string): string | undefined {
  if (text.startsWith('docker-image://')) return text.slice('docker-image://'.length)
  const [, scheme, path] = /^(oci-layout|oci-archive|docker-archive):\/\/(.*)$/s.exec(text) ?? []
  return scheme === undefined || path === undefined ? undefined : `${scheme}://${resolve(path)}`
}

/** What a build starts from: its Dockerfile, and the files to copy. */
export interface BuildInput {
  readonly dockerfile: FoundDockerfile
  readonly tree: SourceTree
  /** How old the context is, in seconds since the epoch, where it states that: a commit, or a download. */
  readonly time?: number
}

export interface InputOptions {
  readonly context: ContextSpec
  /**
   * The Dockerfile: "-" for standard input, a URL, or a path, which is relative to the working directory for a
   * directory and to the context for any other; absent for `Dockerfile` or `dockerfile` in the context.
   */
  readonly dockerfile?: string
  readonly keepGitDir: boolean
  /** A directory in the context that is the context itself; absent is all of it. */
  readonly subdirectory?: string
}

/**
 * Brings the main context of a build here, and finds the Dockerfile.
 * @throws OssbError
 */
export async function openInput(
  options: InputOptions,
  services: SourceServices,
  job: Job,
): Promise<BuildInput> {
  const { context, dockerfile: named } = options
  if (context.type === 'stdin' && named === '-')
    throw usage("invalid argument: can't use stdin for both build context and dockerfile")
  const given = await givenDockerfile(named, services, job)
  if (context.type === 'directory') {
    const path = subdirectoryOf(context.path, options)
    const dockerfile = given ?? readDockerfile(path, named)
    return { dockerfile, tree: openDirectory(path, dockerfile.path) }
  }
  const whole = await openRemote(context, options, services, job)
  const opened = { ...whole, tree: { ...whole.tree, root: subdirectoryOf(whole.tree.root, options) } }
  const { tree, time } = opened
  const about = { tree, ...(time === undefined ? {} : { time }) }
  if (opened.dockerfile === undefined)
    return { dockerfile: given ?? findDockerfile(tree.root, named), ...about }
  if (named !== undefined && context.type === 'stdin')
    throw usage('ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles')
  return { dockerfile: given ?? opened.dockerfile, ...about }
}

/** @throws OssbError ERR_OSSB_CONTEXT where the context has no such directory */
function subdirectoryOf(root: string, { subdirectory }: InputOptions): string {
  if (subdirectory === undefined) return root
  const path = resolveInRoot(root, subdirectory, { last: 'follow' })
  if (lstatIfPresent(path)?.isDirectory() === true) return path
  throw new OssbError(
    'ERR_OSSB_CONTEXT',
    `Cannot use "${subdirectory}" as the build context: there is no such directory in the context`,
  )
}

/** The files of a context. */
export interface ContextTree extends SourceTree {
  /** How old it is, in seconds since the epoch, where it states that: a commit, or a download. */
  readonly time?: number
}

/** Brings a named context here. Of a directory, its own `.dockerignore` hides files. */
export async function openContext(
  context: Exclude<ContextSpec, { type: 'image' | 'stdin' }>,
  services: SourceServices,
  job: Job,
): Promise<ContextTree> {
  switch (context.type) {
    case 'directory':
      return openDirectory(context.path, undefined)
    case 'archive':
      return await unpacked(context.path, `"${context.path}"`, services, job)
    case 'git':
      return await checkOut(context.git, services, job)
    case 'object':
      return await unpackedObject(context.url, services, job)
    case 'http': {
      const file = await download({ url: context.url }, services, job)
      if (await services.archives.isArchive(file.path)) {
        const tree = await unpackTo(file.path, services, job)
        return { ...tree, time: downloadTime(file, tree) }
      }
      const root = services.directory()
      placeDownload(file, join(root, downloadName(context.url)))
      return { root, ...(file.modified > 0 ? { time: file.modified } : {}) }
    }
    default:
      return context satisfies never
  }
}

export function isHttpUrl(text: string): boolean {
  return /^https?:\/\//i.test(text)
}

/** The file name that a URL downloads to: the last part of its path, or `__unnamed__`. */
export function downloadName(url: string): string {
  const path = url.replace(/^[^:]*:\/\/[^/?#]*/, '').split(/[?#]/, 1)[0] ?? ''
  const name = decoded(path).replace(/\/+$/, '').split('/').at(-1) ?? ''
  return name === '' || name === '.' || name === '..' || name.includes('\0') ? '__unnamed__' : name
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** A Dockerfile that is not in the context. */
async function givenDockerfile(
  named: string | undefined,
  services: SourceServices,
  job: Job,
): Promise<FoundDockerfile | undefined> {
  if (named === '-') {
    const text = await readAll(
      standardInput(services, job),
      DOCKERFILE_BYTES,
      'the Dockerfile from standard input',
    )
    return { name: 'Dockerfile', text: text.toString() }
  }
  if (named === undefined || !isHttpUrl(named)) return undefined
  const { path } = await download({ url: named }, services, job)
  return { name: downloadName(named), text: readText(path, named) }
}

interface OpenedContext {
  readonly tree: SourceTree
  readonly time?: number
  /** Where the context is no archive but the Dockerfile itself, and the context is empty. */
  readonly dockerfile?: FoundDockerfile
}

async function openRemote(
  context: Exclude<ContextSpec, { type: 'directory' }>,
  { keepGitDir }: InputOptions,
  services: SourceServices,
  job: Job,
): Promise<OpenedContext> {
  switch (context.type) {
    case 'image':
      throw usage(
        `Cannot use the image "${context.reference}" as the build context: only a named context can be one`,
      )
    case 'git': {
      const tree = await checkOut({ ...context.git, ...(keepGitDir ? { keepGitDir } : {}) }, services, job)
      return { tree, time: tree.time }
    }
    case 'archive':
      return { tree: await unpacked(context.path, `"${context.path}"`, services, job) }
    case 'object':
      return { tree: await unpackedObject(context.url, services, job) }
    case 'http': {
      if (isSharedBlob(context.url, services))
        return { tree: await unpackedObject(context.url, services, job) }
      const file = await download({ url: context.url }, services, job)
      const opened = await archiveOrDockerfile(file.path, context.url, services, job)
      return { ...opened, time: downloadTime(file, opened.tree) }
    }
    case 'stdin': {
      const path = join(services.directory(), 'context')
      await writeStreamAtomic(
        path,
        standardInput(services, job),
        (temporary) => renameSync(temporary, path),
        job,
      )
      return await archiveOrDockerfile(path, 'standard input', services, job)
    }
    default:
      return context satisfies never
  }
}

async function archiveOrDockerfile(
  path: string,
  what: string,
  services: SourceServices,
  job: Job,
): Promise<OpenedContext> {
  if (await services.archives.isArchive(path)) return { tree: await unpackTo(path, services, job) }
  const text = readText(path, what)
  if (text.includes('\0'))
    throw new OssbError(
      'ERR_OSSB_CONTEXT',
      `Cannot use ${what} as the build context: it is neither a tar archive nor a Dockerfile`,
      { hint: 'An archive is tar, as it is or compressed with gzip, bzip2, xz or zstd.' },
    )
  return { tree: { root: services.directory() }, dockerfile: { name: 'Dockerfile', text } }
}

/** What the server says, else how old the newest file of an archive is. */
function downloadTime({ modified }: Downloaded, { root }: SourceTree): number {
  return modified > 0 ? modified : newestTime(root)
}

/** When the newest file of a tree was changed, in seconds since the epoch; 0 for an empty one. */
function newestTime(directory: string): number {
  return readdirSync(directory, { withFileTypes: true }).reduce((newest, entry) => {
    const path = join(directory, entry.name)
    const own = Math.floor(lstatSync(path).mtimeMs / 1000)
    return Math.max(newest, entry.isDirectory() ? Math.max(own, newestTime(path)) : own)
  }, 0)
}

async function unpacked(path: string, what: string, services: SourceServices, job: Job): Promise<SourceTree> {
  if (await services.archives.isArchive(path)) return await unpackTo(path, services, job)
  throw new OssbError('ERR_OSSB_CONTEXT', `Cannot use ${what} as a build context: it is no tar archive`, {
    hint: 'A context is a directory, a tar archive (as it is or compressed with gzip, bzip2, xz or zstd), a URL, or "-".',
  })
}

async function unpackedObject(url: string, services: SourceServices, job: Job): Promise<SourceTree> {
  return await unpacked(await fetchObject(url, services, job), `"${url}"`, services, job)
}

async function unpackTo(path: string, services: SourceServices, job: Job): Promise<SourceTree> {
  const root = services.directory()
  await services.archives.unpack(path, root, job)
  return { root }
}

/** The Dockerfile in a context that is not a directory of the user's. An absolute path is one of this machine. */
function findDockerfile(root: string, named: string | undefined): FoundDockerfile {
  if (named !== undefined && isAbsolute(named)) return readDockerfile(root, named)
  for (const name of named === undefined ? ['Dockerfile', 'dockerfile'] : [named]) {
    const path = resolveInRoot(root, name, { last: 'follow' })
    if (lstatIfPresent(path)?.isFile() === true) return { name, text: readText(path, name) }
  }
  throw new OssbError(
    'ERR_OSSB_CONTEXT',
    `Cannot find the Dockerfile: there is no "${named ?? 'Dockerfile'}" in the build context`,
    { hint: 'Name it with --file; the path is relative to the context.' },
  )
}

function readText(path: string, what: string): string {
  try {
    if (statSync(path).size <= DOCKERFILE_BYTES) return readFileSync(path, 'utf8')
  } catch (error) {
    throw fileSystemError(`read the Dockerfile "${what}"`, error)
  }
  throw new OssbError(
    'ERR_OSSB_CONTEXT',
    `Cannot use "${what}" as a Dockerfile: it has more than ${DOCKERFILE_BYTES} bytes`,
  )
}

/** Standard input until its end, or until the job is aborted: somebody may never close it. */
async function* standardInput(
  { standardInput: input }: SourceServices,
  job: Job,
): AsyncGenerator<Uint8Array> {
  if (input === undefined) throw usage('Cannot read standard input: there is none')
  const chunks = input[Symbol.asyncIterator]()
  const stopped = new Promise<never>((_resolve, reject) => {
    job.signal.addEventListener('abort', () => reject(job.signal.reason), { once: true })
  })
  stopped.catch(() => undefined)
  for (;;) {
    const next = await Promise.race([chunks.next(), stopped])
    if (next.done === true) return
    yield next.value
  }
}

function usage(message: string): OssbError {
  return new OssbError('ERR_OSSB_USAGE', message)
}
