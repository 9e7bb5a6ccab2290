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
  const wanted = word.toLowerCase()
  let best: string | undefined
  let bestDistance = MAX_DISTANCE + 1
  let seen = 0
  for (const candidate of candidates) {
    seen += 1
    if (seen > MAX_CANDIDATES) break
    if (Math.abs(candidate.length - word.length) > MAX_DISTANCE) continue
    const known = candidate.toLowerCase()
    if (known === wanted) return undefined
    const distance = editDistance(wanted, known)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein's distance, or more than MAX_DISTANCE as soon as it is sure to be. */
function editDistance(a: string, b: string): number {
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1
  let [endA, endB] = [a.length, b.length]
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
    endA -= 1
    endB -= 1
  }
  return distanceWithin({ a, b, endA, endB }, start, start, MAX_DISTANCE)
}

interface Pair {
  readonly a: string
  readonly b: string
  readonly endA: number
  readonly endB: number
}

/** The distance of what begins at `i` and `j`, by what may be done about the first characters that differ. */
function distanceWithin(pair: Pair, i: number, j: number, limit: number): number {
  const { a, b, endA, endB } = pair
  let [atA, atB] = [i, j]
  while (atA < endA && atB < endB && a[atA] === b[atB]) {
    atA += 1
    atB += 1
  }
  const [leftA, leftB] = [endA - atA, endB - atB]
  if (leftA === 0 || leftB === 0) return leftA + leftB
  if (limit === 0 || Math.abs(leftA - leftB) > limit) return limit + 1
  const replaced = distanceWithin(pair, atA + 1, atB + 1, limit - 1)
  const removed = distanceWithin(pair, atA + 1, atB, limit - 1)
  const added = distanceWithin(pair, atA, atB + 1, limit - 1)
  return 1 + Math.min(replaced, removed, added)
}
