import { type BuildResult, type Job, OssbError, type StepExplanation } from '../../index.ts'
import type { Api } from '../api.ts'
import { type BuildRequest, standardOutputIsTaken } from '../build-options.ts'
import { errorReport } from '../error-report.ts'
import { exitCodeOf } from '../exit-code.ts'
import type { Host } from '../host.ts'
import { enterNamespace } from '../namespace.ts'
import { createProfile } from '../profile.ts'
import { openProgress, type Progress } from '../progress/progress.ts'
import type { ProgressState } from '../progress/reducer.ts'
import { duration, warningLines } from '../progress/wording.ts'
import { imageIdOf, prepareResultFiles, writeResultFiles, writeWhole } from '../result-files.ts'

/** `ossb build`. Answers the exit status; a failure is shown here, where its progress is known. */
export async function runBuild(request: BuildRequest, host: Host, api: Api): Promise<number> {
  const { executor, cacheDir } = request.options
  await prepareResultFiles(request)
  const inner = await enterNamespace({ executor, cacheDir, args: host.args }, host, api)
  if (inner !== undefined) return inner
  const progress = await openProgress({
    mode: request.progress,
    stream: host.stderr,
    now: host.now,
    environment: host.environment,
  })
  const explanations: StepExplanation[] = []
  const explain = request.explain ? { explain: (one: StepExplanation) => void explanations.push(one) } : {}
  const profile = createProfile(host.now)
  const emit: Job['emit'] = (event) => {
    profile.take(event)
    progress.emit(event)
  }
  const job: Job = { signal: host.interruption.signal, emit }
  try {
    const result = await api.build(
      { ...request.options, ...explain, standardInput: host.stdin, standardOutput: host.stdout },
      job,
    )
    await writeResultFiles(request, result)
    await writeProfile(request, profile.end('done'), host)
    const state = progress.end('done')
    reportExplanations(explanations, progress, host)
    reportResult({ request, result, state }, progress, host)
    return 0
  } catch (error) {
    const state = progress.end('failed')
    await writeProfile(request, profile.end('failed'), host)
    reportExplanations(explanations, progress, host)
    return reportFailure({ error, state }, progress, host)
  }
}

/** A profile that cannot be written is told of, and changes nothing of how the build went. */
async function writeProfile({ profileFile }: BuildRequest, trace: string, { stderr }: Host): Promise<void> {
  if (profileFile === undefined) return
  await writeWhole(profileFile, trace).catch((error: unknown) => {
    stderr.write(`WARN: ${error instanceof Error ? error.message : String(error)}\n`)
  })
}

function reportExplanations(
  explanations: readonly StepExplanation[],
  { mode }: Progress,
  { stderr, now }: Host,
): void {
  if (mode === 'json') {
    const time = new Date(now()).toISOString()
    for (const one of explanations) stderr.write(`${JSON.stringify({ time, type: 'explained', ...one })}\n`)
  } else {
    for (const line of explanationLines(explanations)) stderr.write(`${line}\n`)
  }
}

function explanationLines(explanations: readonly StepExplanation[]): readonly string[] {
  if (explanations.length === 0) return []
  return [
    '',
    'Cache:',
    ...explanations.flatMap(({ step, outcome, from, reasons }) => [
      `  ${outcome}  ${step}${from === undefined ? '' : ` (from ${from})`}`,
      ...reasons.map((reason) => `        ${reason}`),
    ]),
  ]
}

interface Outcome {
  readonly request: BuildRequest
  readonly state: ProgressState
}

function reportResult(
  { request, result, state }: Outcome & { readonly result: BuildResult },
  progress: Progress,
  host: Host,
): void {
  const write = (line: string) => void host.stderr.write(`${line}\n`)
  if (progress.mode === 'quiet') {
    if (!standardOutputIsTaken(request.options)) host.stdout.write(`${imageIdOf(result)}\n`)
  } else if (progress.mode === 'json') {
    write(JSON.stringify({ time: new Date(host.now()).toISOString(), type: 'result', ...result }))
  } else {
    for (const line of [...warningLines(state), ...resultLines(result, state)]) write(line)
  }
}

function resultLines(result: BuildResult, state: ProgressState): readonly string[] {
  const time = duration((state.finishedAt ?? state.startedAt) - state.startedAt)
  return [
    '',
    `Built ${result.platforms.join(', ')} in ${time}`,
    `  digest  ${result.descriptor.digest}`,
    ...result.names.map((name) => `  name    ${name}`),
    ...result.outputs.map((output) => `  output  ${output}`),
  ]
}

function reportFailure(
  { error, state }: Omit<Outcome, 'request'> & { readonly error: unknown },
  progress: Progress,
  host: Host,
): number {
  const exitCode = host.interruption.exitCode() ?? exitCodeOf(error)
  const sourceText = error instanceof OssbError ? error.source?.text : undefined
  if (progress.mode === 'json') {
    host.stderr.write(`${JSON.stringify(failureRecord(error, exitCode, host.now()))}\n`)
    return exitCode
  }
  const warnings = progress.mode === 'quiet' ? [] : warningLines(state)
  const isInterrupted = host.interruption.exitCode() !== undefined
  const report = errorReport({
    error: isInterrupted ? host.interruption.signal.reason : error,
    state,
    ...(sourceText === undefined ? {} : { sourceText }),
  })
  for (const line of [...warnings, ...report]) host.stderr.write(`${line}\n`)
  return exitCode
}

function failureRecord(error: unknown, exitCode: number, now: number): object {
  const about =
    error instanceof OssbError
      ? { code: error.code, message: error.message, hint: error.hint, source: placeOf(error) }
      : { code: 'ERR_OSSB_INTERNAL', message: error instanceof Error ? error.message : String(error) }
  return { time: new Date(now).toISOString(), type: 'error', exitCode, ...about }
}

/** Where an error is, without the text of the file. */
function placeOf({ source }: OssbError): object | undefined {
  if (source === undefined) return undefined
  const { file, startLine, endLine } = source
  return { file, startLine, endLine }
}
