import { dockerfileError } from './dockerfile-error.ts'

/**
 * The value of SOURCE_DATE_EPOCH (reproducible-builds.org/specs/source-date-epoch): seconds. The word `context` asks
 * for the time of the context, which a local directory does not have.
 */
export function parseSourceDateEpoch(text: string | undefined): number | undefined {
  if (text === undefined || text === '' || text === 'context') return undefined
  const seconds = Number(text)
  if (!/^-?\d{1,15}$/.test(text) || !Number.isSafeInteger(seconds))
    throw dockerfileError(`invalid SOURCE_DATE_EPOCH: ${text}`)
  return seconds
}
