import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeLine, NO_BYTES, splitLines } from '../../../../src/cli/progress/log-lines.ts'

function splitAll(chunks: readonly Uint8Array[]): readonly string[] {
  const lines: string[] = []
  let rest = NO_BYTES
  for (const chunk of chunks) {
    const split = splitLines(rest, chunk)
    lines.push(...split.lines)
    rest = split.rest
  }
  return rest.length === 0 ? lines : [...lines, decodeLine(rest)]
}

describe('splitLines()', () => {
  test('gives the same lines wherever chunks are cut', () => {
    const line = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((text) => /^[^\p{C}\p{Z}]+$/u.test(text))
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(400)), (lines, cuts) => {
        const bytes = new TextEncoder().encode(lines.map((text) => `${text}\n`).join(''))
        const places = [0, ...cuts.sort((a, b) => a - b), bytes.length].map((at) =>
          Math.min(at, bytes.length),
        )
        const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end))
        expect(splitAll(chunks)).toEqual(lines)
      }),
    )
  })

  test('cuts a line without end, between characters', () => {
    const bytes = new TextEncoder().encode('漢'.repeat(20_000))
    const lines = splitAll([bytes])
    expect(lines.join('')).toBe('漢'.repeat(20_000))
    expect(lines.length).toBe(4)
  })

  test.each([
    ['a progress bar', '10%\r50%\r100%\n', ['100%']],
    ['a DOS line end', 'a\r\nb\n', ['a', 'b']],
    ['colours and cursor movement', '\u001b[31mred\u001b[0m\u001b[2A\n', ['red']],
    ['bytes that are no UTF-8', new Uint8Array([0x61, 0xff, 0x0a]), ['a�']],
    ['an empty line', '\n', ['']],
  ])('makes %s harmless', (_what, chunk, lines) => {
    const bytes = typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk
    expect(splitAll([bytes])).toEqual(lines)
  })

  test('does not keep the memory of a chunk', () => {
    const chunk = new TextEncoder().encode('abc')
    const { rest } = splitLines(NO_BYTES, chunk)
    chunk.fill(0)
    expect(new TextDecoder().decode(rest)).toBe('abc')
  })
})
