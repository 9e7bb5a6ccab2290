import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/index.ts'
import { createDigestTap, readAll, verified } from '../../../src/io/index.ts'

async function* pieces(...parts: readonly string[]) {
  for (const part of parts) yield Buffer.from(part)
}

const whole = (chunks: AsyncIterable<Uint8Array>) => readAll(chunks, 1000, 'the test').then(String)
const described = (text: string, size = text.length) => ({ mediaType: 'm', digest: digestOf(text), size })

describe('verified()', () => {
  test('passes on what is right', async () => {
    expect(await whole(verified(pieces('ab', '', 'c'), described('abc'), 'here'))).toBe('abc')
    expect(await whole(verified(pieces(), described(''), 'here'))).toBe('')
  })

  test.each([
    ['too short', ['ab'], 'it has 2 bytes and not the 3 that its descriptor states'],
    ['too long', ['ab', 'cd', 'never read'], 'it has more than the 3 bytes that its descriptor states'],
    ['different', ['abd'], `its digest is ${digestOf('abd')}`],
  ])('fails for what is %s', async (_what, parts, why) => {
    await expect(whole(verified(pieces(...parts), described('abc'), 'here'))).rejects.toMatchObject({
      code: 'ERR_OSSB_INTEGRITY',
      message: `Cannot use ${digestOf('abc')} from here: ${why}`,
    })
  })
})

test('readAll() stops at its limit', async () => {
  await expect(readAll(pieces('abc', 'def'), 5, 'the list')).rejects.toThrow(
    'Cannot read the list: it has more than 5 bytes',
  )
})

test('createDigestTap() counts and hashes what passes', async () => {
  const tap = createDigestTap()
  expect(await whole(tap.through(pieces('ab', 'c')))).toBe('abc')
  expect([tap.size, tap.digest(), tap.digest()]).toEqual([3, digestOf('abc'), digestOf('abc')])
})
