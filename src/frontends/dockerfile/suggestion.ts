const MAX_DISTANCE = 2
/** Longer words are never offered or looked up: nobody mistypes them by two letters, and the search is quadratic. */
const MAX_LENGTH = 64
const MAX_CANDIDATES = 200

/** ` (did you mean FROM?)` where exactly the right word is close to `word` but is not `word` itself; else ''. */
export function didYouMean(word: string, candidates: Iterable<string>, prefix = ''): string {
  const found = nearest(word, candidates)
  return found === undefined ? '' : ` (did you mean ${prefix}${found}?)`
}

function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > MAX_LENGTH) return undefined
  let best: string | undefined
  let bestDistance = MAX_DISTANCE + 1
  let seen = 0
  for (const candidate of candidates) {
    seen += 1
    if (seen > MAX_CANDIDATES) break
    if (candidate.toLowerCase() === word.toLowerCase()) return undefined
    if (Math.abs(candidate.length - word.length) > MAX_DISTANCE || candidate.length > MAX_LENGTH) continue
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein's distance, or more than MAX_DISTANCE as soon as it is sure to be. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 0; i < a.length; i += 1) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j += 1) {
      const replace = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1)
      next.push(Math.min(replace, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    if (Math.min(...next) > MAX_DISTANCE) return MAX_DISTANCE + 1
    row = next
  }
  return row[b.length] ?? 0
}
