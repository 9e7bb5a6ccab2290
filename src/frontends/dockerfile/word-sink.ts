import { dockerfileError } from './dockerfile-error.ts'

/** A word may grow to this length, so that variables made of variables cannot fill the memory. */
const MAX_WORD = 4 * 1024 * 1024

/** Collects characters, and words apart where unquoted blanks stand. */
export interface Sink {
  plain(text: string): void
  quoted(text: string): void
}

/** Takes everything as one text. */
export function textSink(): Sink & { text(): string } {
  let text = ''
  const plain = (piece: string) => {
    text += piece
    checkLength(text.length)
  }
  return { plain, quoted: plain, text: () => text }
}

/** Takes words, which unquoted blanks part. */
export function wordSink(): Sink & { words(): readonly string[] } {
  const words: string[] = []
  let word = ''
  let length = 0
  const flush = () => {
    if (word !== '') words.push(word)
    word = ''
  }
  const grow = (piece: string) => {
    length += piece.length
    checkLength(length)
  }
  return {
    plain(text) {
      grow(text)
      const [first = '', ...others] = text.split(/\s+/)
      word += first
      for (const other of others) {
        flush()
        word = other
      }
    },
    quoted(text) {
      grow(text)
      word += text
    },
    words() {
      flush()
      return words
    },
  }
}

/** @throws OssbError without a place for a text that is too long to be meant */
export function checkLength(length: number): void {
  if (length > MAX_WORD) throw dockerfileError(`the result is longer than ${MAX_WORD} characters`)
}
