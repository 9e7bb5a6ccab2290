import { posix } from 'node:path'
import { createGlobAutomaton } from './glob-automaton.ts'
import { malformedPattern, parseGlob } from './glob-tokens.ts'

/** Paths are relative to the root that the patterns are for, separated by slashes, without a leading one. */
export interface PatternMatcher {
  /** There is a pattern with "!". */
  readonly hasExclusions: boolean
  /** The last pattern that fits the path or one of its parent directories selects it, unless it has a "!". */
  matches(path: string): boolean
  /**
   * Something below a matching directory may not match, because of a "!" pattern: a walk that leaves out what
   * matches must look into it.
   */
  mayMatchBelow(directory: string): boolean
}

interface Pattern {
  readonly isExclusion: boolean
  matches(path: string): boolean
  /** A path that starts with this directory and a slash could fit. */
  mayMatchBelow(directory: string): boolean
}

/** Directories whose results are kept for what is in them. */
const MAX_KEPT = 4096

/**
 * A matcher for the patterns of .dockerignore, COPY --exclude and COPY --parents, with the results of BuildKit's
 * (moby/patternmatcher). Blank patterns do not count.
 * @throws OssbError ERR_OSSB_CONTEXT for a malformed pattern and for a "!" alone
 */
export function createPatternMatcher(patterns: readonly string[]): PatternMatcher {
  const compiled = patterns.filter((pattern) => pattern.trim() !== '').map(compilePattern)
  const resultsOf = createResults(compiled)
  return {
    hasExclusions: compiled.some(({ isExclusion }) => isExclusion),
    matches: (path) => {
      const last = resultsOf(path).lastIndexOf(true)
      return last !== -1 && compiled[last]?.isExclusion === false
    },
    mayMatchBelow: (directory) => {
      const last = resultsOf(directory).lastIndexOf(true)
      return compiled
        .slice(last + 1)
        .some((pattern) => pattern.isExclusion && pattern.mayMatchBelow(directory))
    },
  }
}

/** For each pattern, whether it fits a path or one of its parents. */
function createResults(patterns: readonly Pattern[]): (path: string) => readonly boolean[] {
  const kept = new Map<string, readonly boolean[]>()
  const compute = (path: string): readonly boolean[] => {
    const slash = path.lastIndexOf('/')
    const parent = slash === -1 ? undefined : resultsOfDirectory(path.slice(0, slash))
    return patterns.map((pattern, at) => parent?.[at] === true || pattern.matches(path))
  }
  const resultsOfDirectory = (path: string): readonly boolean[] => {
    const known = kept.get(path)
    if (known !== undefined) return known
    const results = compute(path)
    if (kept.size >= MAX_KEPT) kept.clear()
    kept.set(path, results)
    return results
  }
  return compute
}

function compilePattern(text: string): Pattern {
  const cleaned = cleanPattern(text.trim())
  if (cleaned === '!') throw malformedPattern(text, 'illegal exclusion pattern: "!"')
  const isExclusion = cleaned.startsWith('!')
  const pattern = isExclusion ? cleaned.slice(1) : cleaned
  parseGlob(pattern, 'match')
  return { isExclusion, ...compileBody(pattern) }
}

/** A pattern with a star in no other place than its start or its end is compared as text. */
function compileBody(pattern: string): Omit<Pattern, 'isExclusion'> {
  if (isPlain(pattern))
    return {
      matches: (path) => path === pattern,
      mayMatchBelow: (directory) => pattern.startsWith(`${directory}/`),
    }
  if (pattern.startsWith('**') && isPlain(pattern.slice(2))) {
    const suffix = pattern.slice(2)
    const whole = suffix.replace(/^\//, '')
    return { matches: (path) => path.endsWith(suffix) || path === whole, mayMatchBelow: () => true }
  }
  if (pattern.endsWith('**') && isPlain(pattern.slice(0, -2))) {
    const prefix = pattern.slice(0, -2)
    return {
      matches: (path) => path.startsWith(prefix),
      mayMatchBelow: (directory) => prefix.startsWith(`${directory}/`) || `${directory}/`.startsWith(prefix),
    }
  }
  const automaton = createGlobAutomaton(parseGlob(pattern, 'ignore'))
  const [head, tail] = literalEnds(pattern)
  return {
    matches: (path) => path.startsWith(head) && path.endsWith(tail) && automaton.matches(path),
    mayMatchBelow: (directory) => automaton.mayContinue(`${directory}/`),
  }
}

/**
 * What every path that fits must start and end with: most paths are told apart by that. The character behind the last
 * special one is left out, since it can be escaped, or be the slash of a double star, which need not be there.
 */
function literalEnds(pattern: string): readonly [string, string] {
  const special = /[*?[\]\\]/g
  const first = pattern.search(special)
  const last = Math.max(...Array.from(pattern.matchAll(special), ({ index }) => index))
  return [pattern.slice(0, first), pattern.slice(last + 2)]
}

function isPlain(pattern: string): boolean {
  return !/[*?[\]\\]/.test(pattern)
}

/** Go's filepath.Clean: no empty, "." and inner ".." parts, no slash at the end; an empty path is ".". */
export function cleanPattern(pattern: string): string {
  const normal = posix.normalize(pattern)
  return normal.length > 1 ? normal.replace(/\/$/, '') : normal
}
