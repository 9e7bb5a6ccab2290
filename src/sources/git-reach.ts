import { type Job, OssbError } from '../core/index.ts'
import type { RequireReach } from './services.ts'

/** Runs git with these arguments. */
type RunGit = (args: readonly string[], job: Job) => Promise<{ readonly stdout: string }>

/**
 * What keeps git at the hosts that were checked: no other protocol, no redirect to another host. ssh is none of them,
 * as its configuration may lead anywhere.
 */
export const BOUND_SETTINGS: readonly string[] = ['http.followRedirects=false']
export const BOUND_ENVIRONMENT: Readonly<Record<string, string>> = { GIT_ALLOW_PROTOCOL: 'http:https' }

/**
 * Refuses a repository that may not be connected to.
 * @throws OssbError ERR_OSSB_OFFLINE
 */
export function requireGitReach(remote: string, requireReach: RequireReach): void {
  const url = URL.canParse(remote) ? new URL(remote) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return requireReach(url)
  throw new OssbError(
    'ERR_OSSB_OFFLINE',
    `Cannot fetch "${remote}": git may use only http and https where the hosts are limited`,
    { hint: 'Gather the repository into a bundle where there is a network, and build with --inputs.' },
  )
}

/** The same for what the user's configuration of git makes of a URL: another one (insteadOf), and a proxy. */
export async function requireConfiguredReach(
  remote: string,
  git: RunGit,
  requireReach: RequireReach,
  job: Job,
): Promise<void> {
  const meant = await git(['ls-remote', '--get-url', '--end-of-options', remote], job)
  const actual = meant.stdout.trim() || remote
  requireGitReach(actual, requireReach)
  const { stdout } = await git(['config', '--get-urlmatch', 'http.proxy', actual], job)
  const proxy = stdout.trim()
  if (proxy !== '') requireGitReach(proxy.includes('://') ? proxy : `http://${proxy}`, requireReach)
}

/** The URLs and paths of the submodules of a checkout; relative URLs, which stay on the host, are left out. */
export async function readSubmodules(
  git: RunGit,
  job: Job,
): Promise<{ readonly urls: readonly string[]; readonly paths: readonly string[] }> {
  const read = async (key: string): Promise<readonly string[]> => {
    const listed = await git(
      ['config', '--null', '--file', '.gitmodules', '--get-regexp', `^submodule\\..*\\.${key}$`],
      job,
    )
    return listed.stdout.split('\0').flatMap((entry) => {
      const at = entry.indexOf('\n')
      return at === -1 ? [] : [entry.slice(at + 1)]
    })
  }
  const urls = await read('url')
  return { urls: urls.filter((url) => !/^\.\.?\//.test(url)), paths: await read('path') }
}
