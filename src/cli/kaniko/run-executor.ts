import { type BuildResult, type Job, type StepExplanation, StepFailedError } from '../../index.ts'
import type { Api } from '../api.ts'
import type { Host } from '../host.ts'
import { targetsText } from '../inspection-text.ts'
import { enterNamespace } from '../namespace.ts'
import { createBuildLog, instructionOf } from './build-log.ts'
import { failureLines } from './failure-lines.ts'
import type { Log } from './log.ts'
import type { ExecutorRequest } from './request.ts'
import { writeResultFiles } from './result-files.ts'

/** Builds what was asked for. Answers the exit status: of a RUN that failed, its own. */
export async function runExecutor(request: ExecutorRequest, log: Log, host: Host, api: Api): Promise<number> {
  const { options, otherTargets, dryRun } = request
  if (dryRun) return await showPlan(request, host, api)
  const inner = await enterNamespace(
    { executor: options.executor, cacheDir: options.cacheDir, args: host.args },
    host,
    api,
  )
  if (inner !== undefined) return inner
  const buildLog = createBuildLog(log, host)
  const job: Job = { signal: host.interruption.signal, emit: buildLog.emit }
  const input = { standardInput: host.stdin, standardOutput: host.stdout }
  try {
    for (const target of otherTargets)
      await api.build(
        { ...options, ...input, target, tags: [], outputs: [{ type: 'image', push: false }] },
        job,
      )
    const explain = ({ step, outcome }: StepExplanation) => {
      if (outcome === 'miss' && !options.noCache)
        log('info', `No cached layer found for cmd ${instructionOf(step)}`)
    }
    const result = await api.build({ ...options, ...input, explain }, job)
    buildLog.end()
    reportPushed(request, result, log)
    await writeResultFiles(request, result, { api, environment: options.environment }, job)
    return 0
  } catch (error) {
    buildLog.end()
    return reportFailure(error, host)
  }
}

function reportPushed(
  { options, destinations }: ExecutorRequest,
  { descriptor }: BuildResult,
  log: Log,
): void {
  const isPushed = options.outputs.some((output) => output.type === 'image' && output.push)
  if (!isPushed) return log('info', 'Skipping push to container registry due to --no-push flag')
  for (const { repository } of destinations) log('info', `Pushed ${repository}@${descriptor.digest}`)
}

/** What would be built; base images are looked up, and nothing is pulled or pushed. */
async function showPlan({ options }: ExecutorRequest, host: Host, api: Api): Promise<number> {
  const job: Job = { signal: host.interruption.signal, emit: () => undefined }
  const plan = await api.targets({ ...options, standardInput: host.stdin }, job)
  host.stdout.write(`${targetsText(plan).join('\n')}\n`)
  return 0
}

/** A RUN that ended by a signal counts as 255. */
function reportFailure(error: unknown, host: Host): number {
  const interrupted = host.interruption.exitCode()
  const shown: unknown = interrupted === undefined ? error : host.interruption.signal.reason
  for (const line of failureLines(shown)) host.stderr.write(`${line}\n`)
  if (interrupted !== undefined) return interrupted
  if (!(error instanceof StepFailedError)) return 1
  return error.exitCode > 0 && error.exitCode < 128 ? error.exitCode : 255
}
