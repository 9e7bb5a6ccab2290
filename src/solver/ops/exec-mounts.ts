import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { digestHex, digestOf, type Job, OssbError } from '../../core/index.ts'
import type { ProcessMount } from '../../executors/index.ts'
import {
  holdDirectory,
  type Owner,
  resolveInRoot,
  type SourceTree,
  selectSources,
  walkSource,
} from '../../fs/index.ts'
import type { Mount } from '../../graph/index.ts'
import { createHolding, type Holding } from '../../io/index.ts'
import type { FileSession } from '../../native/index.ts'
import type { StorePaths, Workspace } from '../../store/index.ts'
import { createTarget } from './copy-target.ts'
import {
  type Credentials,
  type PreparedCredential,
  prepareSecret,
  prepareSshAgent,
} from './exec-credentials.ts'

export interface MountContext extends Credentials {
  readonly session: FileSession
  readonly workspace: Workspace
  readonly paths: StorePaths
}

/** What a RUN's mounts come to; disposing releases what they hold. */
export interface PreparedMounts extends AsyncDisposable {
  readonly list: readonly ProcessMount[]
  readonly env: readonly string[]
}

type Kind<T extends Mount['type']> = Extract<Mount, { type: T }>

/** Makes everything that the mounts of a RUN need on this machine. */
export async function prepareMounts(
  mounts: readonly Mount[],
  trees: ReadonlyMap<number, SourceTree>,
  context: MountContext,
  job: Job,
): Promise<PreparedMounts> {
  await using holding = createHolding()
  const list: ProcessMount[] = []
  const env: string[] = []
  const caches = await claimCaches(mounts, context, holding, job)
  for (const mount of mounts) {
    if (mount.type === 'secret' || mount.type === 'ssh') {
      const prepared = await prepareCredential(mount, context, job)
      for (const one of prepared.held) holding.hold(one)
      if (prepared.mount !== undefined) list.push(prepared.mount)
      if (prepared.env !== undefined) env.push(prepared.env)
    } else list.push(await prepareMount(mount, trees, { context, caches, holding }, job))
  }
  return { list, env, [Symbol.asyncDispose]: holding.handOver() }
}

async function prepareCredential(
  mount: Kind<'secret' | 'ssh'>,
  context: MountContext,
  job: Job,
): Promise<PreparedCredential> {
  return mount.type === 'secret'
    ? await prepareSecret(mount, context, job)
    : await prepareSshAgent(mount, context, job)
}

interface Preparation {
  readonly context: MountContext
  readonly caches: Caches
  readonly holding: Holding
}

async function prepareMount(
  mount: Exclude<Mount, Kind<'secret' | 'ssh'>>,
  trees: ReadonlyMap<number, SourceTree>,
  preparation: Preparation,
  job: Job,
): Promise<ProcessMount> {
  const { context } = preparation
  switch (mount.type) {
    case 'bind':
      return await bindMount(mount, treeOf(trees, mount.input), context, job)
    case 'cache':
      return await cacheMount(mount, trees, preparation, job)
    case 'tmpfs':
      if (mount.readonly === true) return emptyMount(mount, context)
      return {
        type: 'tmpfs',
        target: mount.target,
        ...(mount.size === undefined ? {} : { size: mount.size }),
      }
    case 'file':
      return fileMount(mount, context)
    default:
      return mount satisfies never
  }
}

function treeOf(trees: ReadonlyMap<number, SourceTree>, input: number): SourceTree {
  const tree = trees.get(input)
  if (tree === undefined)
    throw new OssbError('ERR_OSSB_INTERNAL', `Cannot mount input ${input}: there is none`)
  return tree
}

/**
 * A tree as it is, where it can be shown so. What an ignore file hides must not be seen, what is written must be lost,
 * and files of a context must be root's: then the process gets a copy.
 */
async function bindMount(
  mount: Kind<'bind'>,
  tree: SourceTree,
  context: MountContext,
  job: Job,
): Promise<ProcessMount> {
  if (tree.ignore === undefined && mount.readonly && isOwnedRightly(tree, mount.source)) {
    return {
      type: 'bind',
      source: resolveInRoot(tree.root, mount.source, { last: 'follow' }),
      target: mount.target,
      readonly: true,
    }
  }
  const directory = context.workspace.directory()
  const target = createTarget({ root: directory, session: context.session }, job)
  const [source] = selectSources(tree, mount.source)
  if (source === undefined) throw new OssbError('ERR_OSSB_NOT_FOUND', `"${mount.source}": not found`)
  await target.copy(tree, source, source.isDirectory ? '/content' : '/content/file', ownerOf(tree), job)
  await target.finish()
  return {
    type: 'bind',
    source: join(directory, 'content', source.isDirectory ? '' : 'file'),
    target: mount.target,
    readonly: mount.readonly,
  }
}

function isOwnedRightly(tree: SourceTree, path: string): boolean {
  if (tree.owners === undefined) return true
  for (const source of selectSources(tree, path))
    for (const { stats } of walkSource(tree, source, undefined))
      if (stats.uid !== 0n || stats.gid !== 0n) return false
  return true
}

function ownerOf({ owners }: SourceTree): { readonly owner?: Owner } {
  return owners === undefined ? {} : { owner: { uid: 0, gid: 0 } }
}

async function cacheMount(
  mount: Kind<'cache'>,
  trees: ReadonlyMap<number, SourceTree>,
  { context, caches, holding }: Preparation,
  job: Job,
): Promise<ProcessMount> {
  const directory = caches.get(claimOf(mount))
  if (directory === undefined)
    throw new OssbError('ERR_OSSB_INTERNAL', `Cannot mount the cache "${mount.id}": nobody claimed it`)
  if (!existsSync(directory)) await fillCache(directory, mount, trees, context, job)
  return {
    type: 'bind',
    source: await shownOf(directory, mount, { context, holding }, job),
    target: mount.target,
    readonly: mount.readonly,
  }
}

/**
 * `source` says what to fill a cache with where that comes from elsewhere, else a directory of the cache itself, in which
 * another RUN may be at work right now: that is bound to a place of its own, as a path could lead elsewhere by the time
 * that it is mounted. Where nothing can be mounted, RUN steps with such caches wait for each other.
 */
async function shownOf(
  directory: string,
  { input, source }: Kind<'cache'>,
  { context: { session, workspace }, holding }: Pick<Preparation, 'context' | 'holding'>,
  job: Job,
): Promise<string> {
  if (input !== undefined || normalize(join('/', source)) === '/') return directory
  const held = holding.hold(holdDirectory(directory, source))
  const target = workspace.directory()
  try {
    holding.hold(await session.mount({ type: 'bind', source: held.path, target, readonly: false }, job))
    return target
  } catch (error) {
    job.signal.throwIfAborted()
    if (!(error instanceof OssbError) || error.code !== 'ERR_OSSB_FILESYSTEM') throw error
    return held.foundAt
  }
}

/** Makes a cache beside its place and moves it there whole; where another build was faster, that one's stays. */
async function fillCache(
  directory: string,
  mount: Kind<'cache'>,
  trees: ReadonlyMap<number, SourceTree>,
  context: MountContext,
  job: Job,
): Promise<void> {
  const fresh = context.workspace.directory()
  if (mount.input !== undefined) await copyInto(fresh, treeOf(trees, mount.input), mount.source, context, job)
  await context.session.batch(
    [...context.session.chown(fresh, mount), ...context.session.chmod(fresh, mount.mode)],
    job,
  )
  const move = { type: 'rename', path: fresh, to: directory, mode: 'noreplace', optional: true } as const
  const [moved] = await context.session.batch([move], job)
  if (moved?.ok === false && moved.code !== 'EEXIST')
    throw new OssbError('ERR_OSSB_FILESYSTEM', `Cannot make the cache mount "${mount.id}": ${moved.code}`)
}

/** Directories by claim. */
type Caches = ReadonlyMap<string, string>

/** Equal for mounts of one RUN that show the same cache. `locked` comes before `private`, which must not be in its way. */
function claimOf({ id, sharing }: Kind<'cache'>): string {
  return `${digestHex(digestOf(id))} ${sharing}`
}

/** In the same order everywhere: two that wait for each other would wait for ever. */
async function claimCaches(
  mounts: readonly Mount[],
  context: MountContext,
  holding: Holding,
  job: Job,
): Promise<Caches> {
  const caches = new Map<string, string>()
  const claims = new Map(mounts.flatMap((mount) => (mount.type === 'cache' ? [[claimOf(mount), mount]] : [])))
  for (const claim of [...claims.keys()].sort()) {
    const mount = claims.get(claim)
    if (mount !== undefined) caches.set(claim, await claimCache(mount, context, holding, job))
  }
  return caches
}

/** `locked` waits for its turn, `private` takes the first directory that nobody uses, `shared` takes what is there. */
async function claimCache(
  mount: Kind<'cache'>,
  { paths, session }: MountContext,
  holding: Holding,
  job: Job,
): Promise<string> {
  mkdirSync(paths.mounts, { recursive: true })
  // What lies in a cache is owned in one way or recorded in the other.
  const base = join(paths.mounts, `${digestHex(digestOf(mount.id))}${session.treeSuffix}`)
  if (mount.sharing === 'shared') return base
  if (mount.sharing === 'locked') {
    const lock = await session.lock(`${base}.lock`, 'exclusive', { wait: true }, job)
    if (lock !== undefined) holding.hold(lock)
    return base
  }
  for (let number = 0; ; number += 1) {
    const directory = number === 0 ? base : `${base}-${number}`
    const lock = await session.lock(`${directory}.lock`, 'exclusive', { wait: false }, job)
    if (lock === undefined) continue
    holding.hold(lock)
    return directory
  }
}

async function copyInto(
  directory: string,
  tree: SourceTree,
  source: string,
  { session }: MountContext,
  job: Job,
): Promise<void> {
  const target = createTarget({ root: directory, session }, job)
  for (const selected of selectSources(tree, source))
    await target.copy(tree, selected, '/', ownerOf(tree), job)
  await target.finish()
}

/** What a read-only tmpfs is to the process: a directory with nothing in it. */
function emptyMount(mount: Kind<'tmpfs'>, { workspace }: MountContext): ProcessMount {
  const source = workspace.directory()
  chmodSync(source, 0o1777)
  return { type: 'bind', source, target: mount.target, readonly: true }
}

function fileMount(mount: Kind<'file'>, { workspace }: MountContext): ProcessMount {
  const source = join(workspace.directory(), 'file')
  writeFileSync(source, mount.content)
  chmodSync(source, mount.mode)
  return { type: 'bind', source, target: mount.target, readonly: true }
}
