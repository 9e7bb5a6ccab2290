import { type GatherResult, type Job, OssbError } from '../../index.ts'
import type { Api } from '../api.ts'
import { errorReport } from '../error-report.ts'
import { exitCodeOf } from '../exit-code.ts'
import { gatherOptions, lockFileOf } from '../gather-options.ts'
import type { Host } from '../host.ts'
import { enterNamespace } from '../namespace.ts'
import type { GatherFlags } from '../gather-option-table.ts'
import { openProgress } from '../progress/progress.ts'

/** `ossb bundle`: all inputs of a build in one archive. */
export async function runBundle(
  [dest = '', context = '.']: readonly string[],
  flags: GatherFlags,
  host: Host,
  api: Api,
): Promise<number> {
  const options = gatherOptions(flags, context, host.environment)
  return await runGathering(flags, host, api, (job) =>
    api.bundle({ ...options, dest, standardInput: host.stdin, standardOutput: host.stdout }, job),
  )
}

/** `ossb lock`: what all inputs of a build are now. */
export async function runLock(
  [context = '.']: readonly string[],
  flags: GatherFlags,
  host: Host,
  api: Api,
): Promise<number> {
  const options = gatherOptions(flags, context, host.environment)
  const lockFile = lockFileOf(flags.lock, context)
  return await runGathering(flags, host, api, (job) =>
    api.lock({ ...options, lockFile, standardInput: host.stdin }, job),
  )
}

async function runGathering(
  flags: GatherFlags,
  host: Host,
  api: Api,
  gather: (job: Job) => Promise<GatherResult>,
): Promise<number> {
  const cacheDir = gatherOptions(flags, '.', host.environment).cacheDir
  const inner = await enterNamespace({ executor: 'auto', cacheDir, args: host.args }, host, api)
  if (inner !== undefined) return inner
  const progress = await openProgress({
    mode: flags.quiet ? 'quiet' : (flags.progress ?? 'auto'),
    stream: host.stderr,
    now: host.now,
    environment: host.environment,
  })
  const write = (lines: readonly string[]) => {
    for (const line of lines) host.stderr.write(`${line}\n`)
  }
  try {
    const result = await gather({ signal: host.interruption.signal, emit: progress.emit })
    progress.end('done')
    if (progress.mode === 'json')
      write([JSON.stringify({ time: new Date(host.now()).toISOString(), type: 'result', ...result })])
    else if (progress.mode !== 'quiet') write(resultLines(result))
    return 0
  } catch (error) {
    const state = progress.end('failed')
    const interrupted = host.interruption.exitCode()
    const shown: unknown = interrupted === undefined ? error : host.interruption.signal.reason
    const sourceText = error instanceof OssbError ? error.source?.text : undefined
    write(errorReport({ error: shown, state, ...(sourceText === undefined ? {} : { sourceText }) }))
    return interrupted ?? exitCodeOf(error)
  }
}

function resultLines({ inputs, outputs }: GatherResult): readonly string[] {
  return [
    '',
    ...inputs.map(({ kind, name, identity }) => `  ${kind.padEnd(6)}  ${name}  ${identity}`),
    ...outputs.map((output) => `  output  ${output}`),
  ]
}
