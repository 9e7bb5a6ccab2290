import type { DockerfileInput } from '../../graph/index.ts'
import { dockerfileError } from './dockerfile-error.ts'
import type { Stage } from './stages.ts'

interface EpochScope {
  readonly input: DockerfileInput
  readonly stages: readonly Stage[]
}

/**
 * The value of SOURCE_DATE_EPOCH (reproducible-builds.org/specs/source-date-epoch): seconds. The word `context` and
 * the name of a named context ask for the time of that context, which a local directory does not have.
 */
export function readSourceDateEpoch(text: string | undefined, scope: EpochScope): number | undefined {
  if (text === undefined || text === '') return undefined
  const { contextTimes = {}, namedContexts } = scope.input
  if (Object.hasOwn(contextTimes, text)) return contextTimes[text]
  if (text === 'context' || namedContexts.some(({ name }) => name === text.toLowerCase())) return undefined
  const seconds = Number(text)
  if (/^-?\d{1,15}$/.test(text) && Number.isSafeInteger(seconds)) return seconds
  const isStage = scope.stages.some(({ name }) => name === text.toLowerCase())
  throw dockerfileError(
    `invalid SOURCE_DATE_EPOCH: ${text}`,
    isStage
      ? { hint: `The time of the stage "${text}" is not known before it is built; give a number of seconds.` }
      : {},
  )
}
