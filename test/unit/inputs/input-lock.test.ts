import { describe, expect, test } from 'vitest'
import {
  formatLock,
  type LockEntry,
  lockDifference,
  mergeLocks,
  parseLock,
} from '../../../src/inputs/input-lock.ts'

const digest = (digit: string) => `sha256:${digit.repeat(64)}` as const
const image = (platform: string, manifest: string): LockEntry => ({
  kind: 'image',
  name: 'alpine:3.20',
  digest: digest('a'),
  platforms: { [platform]: digest(manifest) },
})
const URL_ENTRY: LockEntry = { kind: 'url', name: 'https://h/f', digest: digest('b'), size: 3 }
const GIT_ENTRY: LockEntry = { kind: 'git', name: 'https://h/r.git#main', commit: '1'.repeat(40) }

test('a lock file lists each input once, in an order of its own, with the platforms of an image', () => {
  const entries = [URL_ENTRY, image('linux/arm64', '2'), GIT_ENTRY, image('linux/amd64', '1'), URL_ENTRY]
  const text = formatLock(entries)
  expect(formatLock([...entries].reverse())).toBe(text)
  expect(text.endsWith('}\n')).toBe(true)
  expect(JSON.parse(text)).toEqual({
    version: 1,
    inputs: [
      GIT_ENTRY,
      {
        kind: 'image',
        name: 'alpine:3.20',
        digest: digest('a'),
        platforms: { 'linux/amd64': digest('1'), 'linux/arm64': digest('2') },
      },
      URL_ENTRY,
    ],
  })
  expect(
    Object.keys((JSON.parse(text) as { inputs: { platforms: object }[] }).inputs[1]?.platforms ?? {}),
  ).toEqual(['linux/amd64', 'linux/arm64'])
  expect(parseLock(Buffer.from(text), 'it')).toEqual(JSON.parse(text).inputs)
})

test('one name that meant two things while it was looked up is an error', () => {
  expect(() => mergeLocks([URL_ENTRY, { ...URL_ENTRY, digest: digest('c') }])).toThrow(
    'Cannot lock "https://h/f": it changed in the meantime',
  )
})

test.each(['', 'null', '{"version":2,"inputs":[]}', '{"version":1,"inputs":[{"kind":"url","name":"x"}]}'])(
  'parseLock() refuses %j',
  (text) => {
    expect(() => parseLock(Buffer.from(text), '"x.lock"')).toThrow(
      'Cannot use "x.lock": it is no lock file of version 1',
    )
  },
)

describe('lockDifference()', () => {
  test('is none where digest or commit is the same', () => {
    expect(lockDifference(URL_ENTRY, URL_ENTRY)).toBeUndefined()
    expect(lockDifference(GIT_ENTRY, GIT_ENTRY)).toBeUndefined()
  })

  test('a platform that was not locked is pinned by the index', () => {
    expect(lockDifference(image('linux/amd64', '1'), image('linux/arm64', '2'))).toBeUndefined()
  })

  test('has what was expected and what was found', () => {
    expect(lockDifference(GIT_ENTRY, { ...GIT_ENTRY, commit: '2'.repeat(40) })).toBe(
      `expected ${'1'.repeat(40)}, found ${'2'.repeat(40)}`,
    )
    expect(lockDifference(undefined, URL_ENTRY)).toBe(`not in the lock; found ${digest('b')}`)
  })
})
