import { lstatSync, lutimesSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { type Job, OssbError } from '../core/index.ts'
import { lstatIfPresent, removeTree, resolveInRoot, type SourceTree } from '../fs/index.ts'
import { writeStreamAtomic } from '../io/index.ts'
import { createGit, type Git, gitError } from './git-command.ts'
import { readSubmodules, requireGitReach } from './git-reach.ts'
import type { GitSource } from './git-url.ts'
import type { ResolvedRef, SourceServices } from './services.ts'

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/
/** Where a fetched commit is kept in the repository: what no ref names cannot be checked out in a clone. */
const FETCHED = 'refs/ossb/fetched'

/**
 * The commit that a source means now. Nothing is downloaded.
 * @throws OssbError ERR_OSSB_CONTEXT when the repository has none such, or not with this checksum
 */
export async function resolveCommit(source: GitSource, services: SourceServices, job: Job): Promise<string> {
  return (await resolveOnce(source, services, job)).commit
}

function resolveOnce(source: GitSource, services: SourceServices, job: Job): Promise<ResolvedRef> {
  const { remote, ref, checksum, fetchByCommit } = source
  const key = JSON.stringify([remote, ref, checksum, fetchByCommit])
  const known = services.commits.get(key)
  if (known !== undefined) return known
  const resolved = resolveSource(source, services, job)
  services.commits.set(key, resolved)
  return resolved
}

async function resolveSource(source: GitSource, services: SourceServices, job: Job): Promise<ResolvedRef> {
  const gathered = services.gathered?.repository(source)
  if (gathered !== undefined) return checked(gathered, source)
  return await resolveRef(
    source,
    createGit(services.directory(), { ...services, remote: source.remote }),
    job,
  )
}

/** The commit and what is known of it, as resolveCommit() finds it. @throws OssbError as that */
export async function resolveGit(
  source: GitSource,
  services: SourceServices,
  job: Job,
): Promise<ResolvedRef> {
  return await resolveOnce(source, services, job)
}

/** Whether a repository can be had at all: gathered, or from a host that may be asked. */
export function canCheckOut(source: GitSource, { gathered, requireReach }: SourceServices): boolean {
  if (gathered?.repository(source) !== undefined || requireReach === undefined) return true
  try {
    requireGitReach(source.remote, requireReach)
    return true
  } catch {
    return false
  }
}

export interface CheckOut extends SourceTree {
  /** When the commit was made, in seconds since the epoch. */
  readonly time: number
}

/** Checks a source out into a directory of its own, with as little history as the server allows. */
export async function checkOut(source: GitSource, services: SourceServices, job: Job): Promise<CheckOut> {
  const { directory, committed } =
    (await unpackGathered(source, services, job)) ?? (await checkOutRepository(source, services, job))
  const root = subdirectory(directory, source)
  if (source.mtime === 'commit') setTimes(root, committed)
  return { root, time: committed }
}

interface Checkout {
  readonly directory: string
  /** As in CheckOut. */
  readonly committed: number
}

/** The files are as old as any that were checked out now: what an archive says of that is nobody's word. */
async function unpackGathered(
  source: GitSource,
  services: SourceServices,
  job: Job,
): Promise<Checkout | undefined> {
  const gathered = services.gathered?.repository(source)
  if (gathered === undefined) return undefined
  await resolveOnce(source, services, job)
  const archive = join(services.directory(), 'tree')
  await writeStreamAtomic(
    archive,
    await gathered.open(job),
    (temporary) => renameSync(temporary, archive),
    job,
  )
  const directory = services.directory()
  await services.archives.unpack(archive, directory, job)
  setTimes(directory, Math.floor(Date.now() / 1000))
  return { directory, committed: gathered.committed }
}

/** All files of a commit, with those of its submodules. */
async function checkOutRepository(source: GitSource, services: SourceServices, job: Job): Promise<Checkout> {
  const { remote } = source
  const directory = services.directory()
  const git = createGit(directory, { remote, ...services })
  const resolved = await resolveOnce(source, services, job)
  await git.run(['init', '--quiet', '--template='], job)
  // Submodules with relative URLs are found from here.
  await git.run(['remote', 'add', '--end-of-options', 'origin', remote], job)
  await fetchCommit(resolved, source, git, job)
  await git.run(['checkout', '--quiet', '--force', '--detach', resolved.commit], job)
  if (source.submodules !== false) await checkOutSubmodules({ directory, git, remote }, services, job)
  const committed = Number(await git.run(['show', '--no-patch', '--format=%ct', resolved.commit], job))
  if (source.keepGitDir === true) await forgetTimes(git, job)
  else removeGitDirectories(directory)
  return { directory, committed }
}

/** An index says when which file was checked out, and its inode. Without that, the same commit is the same content. */
async function forgetTimes(git: Git, job: Job): Promise<void> {
  await git.run(['read-tree', 'HEAD'], job)
  await git.run(['submodule', '--quiet', 'foreach', '--recursive', 'git read-tree HEAD'], job)
}

async function resolveRef(source: GitSource, git: Git, job: Job): Promise<ResolvedRef> {
  const { ref, checksum, fetchByCommit, remote } = source
  if (ref !== undefined && COMMIT.test(ref)) return checked({ commit: ref, objects: [ref] }, source)
  if (fetchByCommit === true && checksum !== undefined && COMMIT.test(checksum))
    return { commit: checksum, objects: [checksum] }
  const wanted = ref ?? 'HEAD'
  const listed = await git.run(['ls-remote', '--end-of-options', remote, wanted, `${wanted}^{}`], job)
  const refs = new Map(
    listed.split('\n').flatMap((line) => {
      const [commit, name] = line.split('\t')
      return commit !== undefined && name !== undefined && COMMIT.test(commit)
        ? [[name, commit] as const]
        : []
    }),
  )
  const names =
    wanted === 'HEAD' ? ['HEAD'] : [wanted, `refs/${wanted}`, `refs/heads/${wanted}`, `refs/tags/${wanted}`]
  const name = names.find((candidate) => refs.has(candidate))
  const target = name === undefined ? undefined : refs.get(name)
  if (name === undefined || target === undefined)
    throw new OssbError(
      'ERR_OSSB_CONTEXT',
      `Cannot fetch "${remote}": repository does not contain ref "${wanted}"`,
    )
  // An annotated tag is an object of its own, that names the commit.
  const commit = refs.get(`${name}^{}`) ?? target
  return checked({ commit, name, objects: [...new Set([commit, target])] }, source)
}

function checked(resolved: ResolvedRef, source: GitSource): ResolvedRef {
  const { checksum, remote } = source
  if (checksum === undefined || resolved.objects.some((object) => object.startsWith(checksum)))
    return resolved
  throw new OssbError(
    'ERR_OSSB_INTEGRITY',
    `Cannot use "${remote}": expected checksum to match ${checksum}, got ${resolved.commit}`,
  )
}

/** One commit where the server gives single commits; else all branches and tags, one of which has to lead to it. */
async function fetchCommit(
  { commit, name }: ResolvedRef,
  { remote }: GitSource,
  git: Git,
  job: Job,
): Promise<void> {
  const options = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--force']
  const has = async () => (await git.attempt(['cat-file', '-e', `${commit}^{commit}`], job)).exitCode === 0
  for (const wanted of name === undefined ? [commit] : [name, commit]) {
    const target = `${wanted}:${name?.startsWith('refs/') === true && wanted === name ? trackingName(name) : FETCHED}`
    await git.attempt([...options, '--depth=1', '--end-of-options', 'origin', target], job)
    if (await has()) return
  }
  const all = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*']
  const outcome = await git.attempt([...options, '--end-of-options', 'origin', ...all], job)
  if (await has()) return
  if (outcome.exitCode !== 0) throw gitError(remote, outcome)
  throw new OssbError(
    'ERR_OSSB_CONTEXT',
    `Cannot fetch "${remote}": repository does not contain commit ${commit}`,
  )
}

/** Where a clone keeps what it fetched under a name. */
function trackingName(name: string): string {
  return name.startsWith('refs/heads/') ? name.replace('refs/heads/', 'refs/remotes/origin/') : name
}

interface Superproject {
  readonly directory: string
  readonly git: Git
  readonly remote: string
}

async function checkOutSubmodules(project: Superproject, services: SourceServices, job: Job): Promise<void> {
  if (services.requireReach !== undefined) return await checkOutLevels(project, services, job)
  await updateSubmodules(project, ['--recursive'], job)
}

/** One level after the other, as what a submodule leads to is known only when it is here. */
async function checkOutLevels(project: Superproject, services: SourceServices, job: Job): Promise<void> {
  const { directory, git } = project
  if (lstatIfPresent(join(directory, '.gitmodules'))?.isFile() !== true) return
  const { urls, paths } = await readSubmodules((args, own) => git.attempt(args, own), job)
  // A git is made for each URL, as that refuses what may not be connected to.
  for (const remote of urls) await createGit(directory, { remote, ...services }).run(['--version'], job)
  await updateSubmodules(project, [], job)
  for (const path of paths) {
    const inner = resolveInRoot(directory, path, { last: 'follow' })
    if (lstatIfPresent(inner)?.isDirectory() !== true) continue
    const own = { directory: inner, git: createGit(inner, { ...services, remote: project.remote }) }
    await checkOutLevels({ ...own, remote: project.remote }, services, job)
  }
}

async function updateSubmodules(
  { git, remote }: Superproject,
  more: readonly string[],
  job: Job,
): Promise<void> {
  const update = ['submodule', 'update', '--init', ...more, '--quiet']
  const shallow = await git.attempt([...update, '--depth=1'], job)
  if (shallow.exitCode === 0) return
  const whole = await git.attempt(update, job)
  if (whole.exitCode !== 0) throw gitError(remote, whole)
}

/** That of the repository, and the files and directories of this name that lead submodules there. */
function removeGitDirectories(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.name === '.git') removeTree(path)
    else if (entry.isDirectory()) removeGitDirectories(path)
  }
}

function subdirectory(directory: string, { subdir, remote }: GitSource): string {
  if (subdir === undefined) return directory
  const path = resolveInRoot(directory, subdir, { last: 'follow' })
  if (lstatIfPresent(path)?.isDirectory() === true) return path
  throw new OssbError('ERR_OSSB_CONTEXT', `Cannot use "${remote}": it has no directory "${subdir}"`)
}

function setTimes(path: string, seconds: number): void {
  if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) setTimes(join(path, name), seconds)
  lutimesSync(path, seconds, seconds)
}
