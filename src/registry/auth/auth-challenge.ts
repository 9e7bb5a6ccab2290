/** One challenge of a WWW-Authenticate header (RFC 9110 11.6.1). Scheme and parameter names are in lower case. */
export interface Challenge {
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
const QUOTED = /"((?:[^"\\]|\\.)*)"/y
/** Unquoted values in the wild hold characters that a token may not, such as the slashes of a URL. */
const LOOSE_VALUE = /[^\s,"]+/y

/**
 * Parses the values of all WWW-Authenticate headers of an answer. Several challenges in one header, commas inside
 * quotes, escapes, odd casing and unquoted values are understood; what is not is skipped.
 */
export function parseChallenges(headers: readonly string[]): readonly Challenge[] {
  return headers.flatMap(parseHeader)
}

function parseHeader(text: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match !== null) at = pattern.lastIndex
    return match ?? undefined
  }
  while (at < text.length) {
    if (take(/[\s,]+/y) !== undefined) continue
    const name = take(TOKEN)?.[0].toLowerCase()
    if (name === undefined) at += 1
    else if (take(/\s*=\s*/y) === undefined) challenges.push({ scheme: name, parameters: {} })
    else {
      const value = take(QUOTED)?.[1]?.replace(/\\(.)/g, '$1') ?? take(LOOSE_VALUE)?.[0] ?? ''
      const parameters = challenges.at(-1)?.parameters
      if (parameters !== undefined && name !== '__proto__') parameters[name] ??= value
    }
  }
  return challenges
}
