/** One piece of a pattern. Characters are Unicode code points. */
export type GlobToken =
  /** Exactly one character that `accepts` takes. */
  | { readonly type: 'one'; readonly accepts: (character: number) => boolean }
  /** Any number of them, none included. */
  | { readonly type: 'many'; readonly accepts: (character: number) => boolean }
  /** Nothing, or anything that ends with a slash. */
  | { readonly type: 'directories' }
  /** No character; a place between a word character and another, or not such a place. */
  | { readonly type: 'boundary'; readonly expected: boolean }

export interface GlobAutomaton {
  /** The whole text fits. */
  matches(text: string): boolean
  /** A longer text that starts with this one could fit. */
  mayContinue(text: string): boolean
}

export const SLASH = 0x2f

/**
 * Follows all ways through a pattern at once, so that the time is the length of the text times that of the pattern,
 * whatever they hold: a backtracking regular expression could take forever on a hostile pattern.
 *
 * State 2i stands in front of token i, and state 2i+1 inside a `directories` token.
 */
export function createGlobAutomaton(tokens: readonly GlobToken[]): GlobAutomaton {
  const accepted = tokens.length * 2
  const seen = new Uint32Array(accepted + 2)
  let round = 0

  const add = (states: number[], state: number): void => {
    if (seen[state] === round) return
    seen[state] = round
    states.push(state)
  }

  /** Adds what can be reached without a character. */
  const close = (states: number[], atBoundary: boolean | undefined): void => {
    for (let i = 0; i < states.length; i += 1) {
      const state = states[i] ?? 0
      const token = tokens[state >> 1]
      const skips =
        token?.type === 'many' ||
        (token?.type === 'directories' && state % 2 === 0) ||
        (token?.type === 'boundary' && (atBoundary ?? token.expected) === token.expected)
      if (skips) add(states, (state | 1) + 1)
    }
  }

  const step = (states: readonly number[], character: number): number[] => {
    const next: number[] = []
    round += 1
    for (const state of states) {
      const token = tokens[state >> 1]
      if (token === undefined) continue
      if (token.type === 'directories') {
        add(next, state | 1)
        if (character === SLASH) add(next, (state | 1) + 1)
      } else if (token.type !== 'boundary' && token.accepts(character))
        add(next, token.type === 'many' ? state : state + 2)
    }
    return next
  }

  const hasBoundaries = tokens.some(({ type }) => type === 'boundary')
  const isBoundary = (text: string, at: number): boolean =>
    hasBoundaries && isWordCharacter(text.charCodeAt(at - 1)) !== isWordCharacter(text.charCodeAt(at))

  const run = (text: string, isOpen: boolean): readonly number[] => {
    round += 1
    let states: number[] = []
    add(states, 0)
    close(states, isBoundary(text, 0))
    for (let at = 0; at < text.length && states.length > 0; ) {
      const character = text.codePointAt(at) ?? 0
      states = step(states, character)
      at += character > 0xffff ? 2 : 1
      close(states, isOpen && at === text.length ? undefined : isBoundary(text, at))
    }
    return states
  }

  return {
    matches: (text) => run(text, false).includes(accepted),
    mayContinue: (text) => run(text, true).some((state) => state !== accepted),
  }
}

/** ASCII only, as in Go's regular expressions; NaN, which is no character, is none. */
export function isWordCharacter(character: number): boolean {
  const letter = character | 0x20
  return (
    (character >= 0x30 && character <= 0x39) ||
    (letter >= 0x61 && letter <= 0x7a && character < 0x80) ||
    character === 0x5f
  )
}
