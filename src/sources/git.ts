import { lstatSync, lutimesSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Job, OssbError } from '../core/index.ts'
import { lstatIfPresent, removeTree, resolveInRoot, type SourceTree } from '../fs/index.ts'
import { createGit, type Git, gitError } from './git-command.ts'
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
  const git = createGit(services.directory(), { remote, ...services })
  const resolved = resolveRef(source, git, job)
  services.commits.set(key, resolved)
  return resolved
}

export interface CheckOut extends SourceTree {
  /** When the commit was made, in seconds since the epoch. */
  readonly time: number
}

/** Checks a source out into a directory of its own, with as little history as the server allows. */
export async function checkOut(source: GitSource, services: SourceServices, job: Job): Promise<CheckOut> {
  const { remote } = source
  const directory = services.directory()
  const git = createGit(directory, { remote, ...services })
  const resolved = await resolveOnce(source, services, job)
  await git.run(['init', '--quiet', '--template='], job)
  // Submodules with relative URLs are found from here.
  await git.run(['remote', 'add', '--end-of-options', 'origin', remote], job)
  await fetchCommit(resolved, source, git, job)
  await git.run(['checkout', '--quiet', '--force', '--detach', resolved.commit], job)
  if (source.submodules !== false) await checkOutSubmodules(git, remote, job)
  const committed = Number(await git.run(['show', '--no-patch', '--format=%ct', resolved.commit], job))
  if (source.keepGitDir !== true) removeGitDirectories(directory)
  const root = subdirectory(directory, source)
  if (source.mtime === 'commit') setTimes(root, committed)
  return { root, time: committed }
}

async function resolveRef(source: GitSource, git: Git, job: Job): Promise<ResolvedRef> {
  const { ref, checksum, fetchByCommit, remote } = source
  if (ref !== undefined && COMMIT.test(ref)) return checked({ commit: ref }, [ref], source)
  if (fetchByCommit === true && checksum !== undefined && COMMIT.test(checksum)) return { commit: checksum }
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
  return checked({ commit, name }, [commit, target], source)
}

function checked(resolved: ResolvedRef, objects: readonly string[], source: GitSource): ResolvedRef {
  const { checksum, remote } = source
  if (checksum === undefined || objects.some((object) => object.startsWith(checksum))) return resolved
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

async function checkOutSubmodules(git: Git, remote: string, job: Job): Promise<void> {
  const update = ['submodule', 'update', '--init', '--recursive', '--quiet']
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
