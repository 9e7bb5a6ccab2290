import { dockerfileError } from './dockerfile-error.ts'

/**
 * The strings of an argument that is a JSON array from its first character to its last; undefined where it is not,
 * which makes it the shell form.
 * @throws OssbError without a place for an array that holds something else than strings
 */
export function parseJsonForm(text: string): readonly string[] | undefined {
  const trimmed = text.trim()
  if (!trimmed.startsWith('[')) return undefined
  let value: unknown
  try {
    value = JSON.parse(trimmed)
  } catch {
    return undefined
  }
  if (!Array.isArray(value)) return undefined
  const items: readonly unknown[] = value
  if (!items.every((item) => typeof item === 'string'))
    throw dockerfileError('when using JSON array syntax, arrays must be comprised of strings only')
  return items
}
