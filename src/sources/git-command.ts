import { type Job, OssbError } from '../core/index.ts'
import { type ProcessOutcome, runProcess } from '../io/index.ts'
import { gitAuthorization, gitHeaderSettings, type ReadSecret } from './authorization.ts'
import { BOUND_ENVIRONMENT, BOUND_SETTINGS, requireConfiguredReach, requireGitReach } from './git-reach.ts'
import type { RequireReach } from './services.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** The git of this machine, in one directory. */
export interface Git {
  /** Its standard output. @throws OssbError ERR_OSSB_CONTEXT with what git said */
  run(args: readonly string[], job: Job): Promise<string>
  /** The same, with whatever status it ends. */
  attempt(args: readonly string[], job: Job): Promise<ProcessOutcome>
}

/** What git itself calls the variables of a repository: those of the one that ossb was started in mean nothing here. */
const REPOSITORY_VARIABLES: readonly string[] = [
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_CONFIG',
  'GIT_COMMON_DIR',
  'GIT_DIR',
  'GIT_GRAFT_FILE',
  'GIT_IMPLICIT_WORK_TREE',
  'GIT_INDEX_FILE',
  'GIT_INTERNAL_SUPER_PREFIX',
  'GIT_NAMESPACE',
  'GIT_NO_REPLACE_OBJECTS',
  'GIT_OBJECT_DIRECTORY',
  'GIT_PREFIX',
  'GIT_REPLACE_REF_BASE',
  'GIT_SHALLOW_FILE',
  'GIT_WORK_TREE',
]

/** What a checkout gives must not depend on who checks out; and no program that a repository names may run. */
const SETTINGS: readonly string[] = [
  'protocol.ext.allow=never',
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.autocrlf=false',
  'core.eol=lf',
  'core.symlinks=true',
  'core.fileMode=true',
  'core.logAllRefUpdates=false',
  'advice.detachedHead=false',
  'init.defaultBranch=main',
  'gc.auto=0',
  'maintenance.auto=false',
]

export interface GitOptions {
  /** What it is to fetch from. */
  readonly remote: string
  readonly environment: Environment
  readonly secret: ReadSecret
  readonly requireReach?: RequireReach
}

/** @throws OssbError ERR_OSSB_OFFLINE for a repository that may not be connected to: git itself opens the connection */
export function createGit(directory: string, { remote, environment, secret, requireReach }: GitOptions): Git {
  if (requireReach !== undefined) requireGitReach(remote, requireReach)
  const bound = requireReach === undefined ? [] : BOUND_SETTINGS
  const settings = [...SETTINGS, ...bound].flatMap((setting) => ['-c', setting])
  const authorization = gitAuthorization(remote, secret)
  const env = {
    ...gitEnvironment(environment),
    ...(requireReach === undefined ? {} : BOUND_ENVIRONMENT),
    ...(authorization === undefined ? {} : gitHeaderSettings(remote, authorization, environment)),
  }
  const attempt = async (args: readonly string[], job: Job): Promise<ProcessOutcome> => {
    const command = ['git', ...settings, ...args]
    // The user's own umask would show in the modes of the files.
    const outcome = await runProcess(
      ['/bin/sh', '-c', 'umask 022; exec "$@"', 'sh', ...command],
      { cwd: directory, env },
      job,
    )
    if (outcome.exitCode === 127 && /git: not found|git: No such file/.test(outcome.stderr))
      throw new OssbError('ERR_OSSB_NOT_FOUND', `Cannot fetch "${remote}": there is no git on this machine`, {
        hint: 'Install git; it is needed for contexts and ADD sources in git repositories.',
      })
    return outcome
  }
  let checked: Promise<void> | undefined
  const permitted = async (args: readonly string[], job: Job): Promise<ProcessOutcome> => {
    if (requireReach !== undefined)
      await (checked ??= requireConfiguredReach(remote, attempt, requireReach, job))
    return await attempt(args, job)
  }
  return {
    attempt: permitted,
    run: async (args, job) => {
      const outcome = await permitted(args, job)
      if (outcome.exitCode === 0) return outcome.stdout
      throw gitError(remote, outcome)
    },
  }
}

export function gitError(remote: string, { stderr, exitCode }: ProcessOutcome): OssbError {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const said =
    lines
      .filter((line) => /^(?:fatal|error|remote|ssh):|denied|refused|not resolve/i.test(line))
      .slice(0, 3)
      .join('; ') ||
    (lines.at(-1) ?? `git ended with ${exitCode}`)
  const needsLogin =
    /could not read Username|Authentication failed|Permission denied|terminal prompts disabled/.test(stderr)
  const hint =
    'Give --secret id=GIT_AUTH_TOKEN,env=VARIABLE, set up a credential helper for git, or an agent for ssh: ossb asks no questions.'
  const message = `Cannot fetch "${remote}": ${said}`
  return new OssbError('ERR_OSSB_CONTEXT', message, needsLogin ? { hint } : {})
}

function gitEnvironment(environment: Environment): Environment {
  const own = Object.fromEntries(
    Object.entries(environment).filter(([name]) => !REPOSITORY_VARIABLES.includes(name)),
  )
  const ssh =
    own['GIT_SSH_COMMAND'] === undefined && own['GIT_SSH'] === undefined
      ? { GIT_SSH_COMMAND: 'ssh -o BatchMode=yes' }
      : {}
  // What a window would ask, nobody may be there to answer.
  return { ...own, ...ssh, GIT_TERMINAL_PROMPT: '0', SSH_ASKPASS: '', LC_ALL: 'C' }
}
