import type { Api } from '../api.ts'
import type { Host } from '../host.ts'
import { packageVersion } from '../version.ts'
import { CommandError } from './command-error.ts'
import { EXECUTOR_FLAGS, type ExecutorFlag, RENAMED_FLAGS } from './executor-flags.ts'
import { createLog, type Log } from './log.ts'
import { LOGIN_COMMAND, runLogin } from './login.ts'
import { type ParsedFlags, parseFlags } from './parse-flags.ts'
import { PUSH_COMMAND, runPush } from './push.ts'
import { logSettings, reporting } from './reporting.ts'
import { toExecutorRequest } from './request.ts'
import { runExecutor } from './run-executor.ts'
import { helpText, type KanikoCommand } from './usage.ts'

/**
 * The program `executor`: kaniko's command line, for jobs that were written for that. It is read by the rules of the
 * library that kaniko reads it with, and translated into the same BuildOptions as that of `ossb`.
 */
export async function runKaniko(host: Host, api: Api): Promise<number> {
  const [first = '', ...rest] = host.args
  if (first === 'version') {
    host.stdout.write(`Kaniko version :  ossb ${packageVersion()}\n`)
    return 0
  }
  if (first === 'help') {
    host.stdout.write(helpText(HELPED[rest[0] ?? ''] ?? EXECUTOR_COMMAND))
    return 0
  }
  if (first === 'login') return await reporting(LOGIN_COMMAND, host, () => runLogin(rest, host, api))
  if (first === 'push') return await reporting(PUSH_COMMAND, host, () => runPush(rest, host, api))
  return await reporting(EXECUTOR_COMMAND, host, () => execute(host, api))
}

const EXECUTOR_COMMAND: KanikoCommand = {
  line: 'executor',
  summary: 'Builds an image from a Dockerfile and pushes it to a registry.',
  flags: EXECUTOR_FLAGS,
  commands: [
    ['help', 'Help about any command'],
    ['login', 'Keep the credentials for a registry'],
    ['push', 'Push an image from an archive or an OCI layout'],
    ['version', 'Print the version'],
  ],
}

const HELPED: Readonly<Record<string, KanikoCommand>> = { login: LOGIN_COMMAND, push: PUSH_COMMAND }

async function execute(host: Host, api: Api): Promise<number> {
  const parsed = parseFlags(host.args, EXECUTOR_FLAGS)
  if (parsed.help) {
    host.stdout.write(helpText(EXECUTOR_COMMAND))
    return 0
  }
  for (const notice of parsed.notices) host.stderr.write(`${notice}\n`)
  const [word] = parsed.words
  if (word !== undefined) throw new CommandError(`unknown command ${JSON.stringify(word)} for "executor"`)
  const { values } = parsed
  const log = createLog(logSettings(values), host)
  tellOfOldFlags(parsed, log)
  tellOfFeatureFlags(host, log)
  const { environment, directory } = host
  return await runExecutor(toExecutorRequest({ values, environment, directory }), log, host, api)
}

function tellOfOldFlags({ values }: ParsedFlags<ExecutorFlag>, log: Log): void {
  for (const [old, current] of RENAMED_FLAGS)
    if (values.isSet(old)) log('warn', `Flag --${old} is deprecated. Use: --${current}`)
  if (values.isSet('force-build-metadata') || values.isSet('skip-unused-stages'))
    log('warn', 'Flags --force-build-metadata and --skip-unused-stages are deprecated and have no effect')
}

/** Behaviour that kaniko has only with a feature flag is the only one here, or there is none like it. */
function tellOfFeatureFlags({ environment }: Host, log: Log): void {
  const names = Object.keys(environment).filter((name) => name.startsWith('FF_KANIKO_'))
  if (names.length > 0)
    log('info', `feature flags are accepted and change nothing: ${names.sort().join(', ')}`)
}
