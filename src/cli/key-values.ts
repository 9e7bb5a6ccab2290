import { usageError } from './usage-error.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** `--build-arg NAME=VALUE`; a bare NAME takes its value from the environment, and is left out when not set there. */
export function parseBuildArgs(texts: readonly string[], environment: Environment): Record<string, string> {
  return Object.fromEntries(
    texts.flatMap((text) => {
      const { key, value = environment[key] } = splitPair(text, 'build-arg')
      return value === undefined ? [] : [[key, value]]
    }),
  )
}

/** `--label NAME=VALUE`; a bare NAME is an empty label. */
export function parseLabels(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const { key, value = '' } = splitPair(text, 'label')
      return [key, value]
    }),
  )
}

/** `--annotation KEY=VALUE`. */
export function parseAnnotations(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const { key, value } = splitPair(text, 'annotation')
      if (value !== undefined) return [key, value]
      throw usageError(`Cannot use --annotation "${text}": it has no value`, 'Write --annotation KEY=VALUE.')
    }),
  )
}

/** `--build-context NAME=CONTEXT`. */
export function parseBuildContexts(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const { key, value = '' } = splitPair(text, 'build-context')
      if (value !== '') return [key, value]
      throw usageError(
        `Cannot use --build-context "${text}": it gives no context`,
        'Write --build-context NAME=CONTEXT.',
      )
    }),
  )
}

function splitPair(text: string, flag: string): { readonly key: string; readonly value?: string } {
  const equals = text.indexOf('=')
  const key = equals === -1 ? text : text.slice(0, equals)
  if (key.trim() === '')
    throw usageError(`Cannot use --${flag} "${text}": the name is empty`, `Write --${flag} NAME=VALUE.`)
  return equals === -1 ? { key } : { key, value: text.slice(equals + 1) }
}
