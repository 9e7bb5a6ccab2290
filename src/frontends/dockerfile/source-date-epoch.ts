import type { Job } from '../../core/index.ts'
import type { DockerfileInput, GitOp, HttpOp, SourceTime, Vertex } from '../../graph/index.ts'
import { dockerfileError } from './dockerfile-error.ts'
import type { Stage } from './stages.ts'

interface EpochOptions {
  readonly input: DockerfileInput
  readonly stages: readonly Stage[]
  /** The root file system of a stage, as it is planned. */
  readonly plan: (stage: Stage) => Promise<Vertex>
}

/**
 * The value of SOURCE_DATE_EPOCH (reproducible-builds.org/specs/source-date-epoch) in seconds; undefined where none is
 * set. The word `context` and the name of a named context ask for the time of that context, which a local directory does
 * not have; the name of a stage that is nothing but one ADD from elsewhere asks for the time of what that brings.
 * @throws OssbError ERR_OSSB_DOCKERFILE for anything else
 */
export async function readSourceDateEpoch(
  text: string | undefined,
  { input, stages, plan }: EpochOptions,
  job: Job,
): Promise<number | undefined> {
  if (text === undefined || text === '') return undefined
  const name = text.toLowerCase()
  const isContext = text === 'context' || input.namedContexts.some((context) => context.name === name)
  if (isContext) return await input.timeOf?.({ kind: 'context', name }, job)
  const seconds = Number(text)
  if (/^-?\d{1,15}$/.test(text) && Number.isSafeInteger(seconds)) return seconds
  const stage = stages.findLast((candidate) => candidate.name === name)
  if (stage === undefined)
    throw invalid(text, 'Give a number of seconds, "context", or the name of a context.')
  return await timeOfStage(text, await plan(stage), input.timeOf, job)
}

async function timeOfStage(
  text: string,
  root: Vertex,
  timeOf: SourceTime | undefined,
  job: Job,
): Promise<number | undefined> {
  const source = onlySource(root)
  if (source === undefined)
    throw invalid(
      text,
      `The stage "${text}" must be FROM scratch with exactly one ADD of a URL or a git repository.`,
    )
  const time = await timeOf?.(source, job)
  if (time !== undefined || timeOf === undefined) return time
  const from = source.kind === 'http' ? source.url : source.remote
  throw invalid(text, `"${from}" does not say when it was last changed; give a number of seconds.`)
}

/** What the only step of a stage, an ADD above nothing, takes from elsewhere. */
function onlySource({ op, inputs }: Vertex): HttpOp | GitOp | undefined {
  const [below, source, ...others] = inputs
  if (op.kind !== 'file' || op.actions.length !== 1 || below?.op.kind !== 'scratch') return undefined
  if (source === undefined || others.length > 0) return undefined
  return source.op.kind === 'http' || source.op.kind === 'git' ? source.op : undefined
}

function invalid(text: string, hint: string): Error {
  return dockerfileError(`invalid SOURCE_DATE_EPOCH: ${text}`, { hint })
}
