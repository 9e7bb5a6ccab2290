import { createGlobAutomaton, type GlobAutomaton } from './glob-automaton.ts'
import { parseGlob } from './glob-tokens.ts'

const MAX_KEPT = 100

const kept = new Map<string, GlobAutomaton>()

/**
 * True when the whole of `name` fits the pattern, as Go's filepath.Match decides: `*` and `?` never take a slash,
 * `[a-z]` and `[^a]` are classes, a backslash takes the next character literally.
 * @throws OssbError ERR_OSSB_CONTEXT for a malformed pattern, whatever the name
 */
export function goMatch(pattern: string, name: string): boolean {
  return automatonOf(pattern).matches(name)
}

/** Callers try one pattern on many names. */
function automatonOf(pattern: string): GlobAutomaton {
  const known = kept.get(pattern)
  if (known !== undefined) return known
  const automaton = createGlobAutomaton(parseGlob(pattern, 'match'))
  if (kept.size >= MAX_KEPT) kept.clear()
  kept.set(pattern, automaton)
  return automaton
}
