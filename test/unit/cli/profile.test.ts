import { expect, test } from 'vitest'
import { createProfile } from '../../../src/cli/profile.ts'
import { digestOf } from '../../../src/core/index.ts'

interface Span {
  readonly name: string
  readonly ph: string
  readonly ts: number
  readonly dur: number
  readonly tid: number
}

test('spans are within the build, none overlaps another in its lane, and what was left open ends with the build', () => {
  let time = 1_000
  const profile = createProfile(() => (time += 10))
  const [one, two] = [digestOf('one'), digestOf('two')]
  profile.take({ type: 'started', vertex: one, name: 'RUN one' })
  profile.take({ type: 'started', vertex: two, name: 'RUN two' })
  profile.take({ type: 'progress', vertex: one, what: 'layer', current: 1, total: 2, unit: 'bytes' })
  profile.take({ type: 'progress', vertex: one, what: 'layer', current: 2, total: 2, unit: 'bytes' })
  profile.take({ type: 'progress', vertex: one, what: 'files', current: 1, unit: 'files' })
  profile.take({ type: 'completed', vertex: one, name: 'RUN one' })
  profile.take({ type: 'cached', vertex: one, name: 'RUN three' })
  profile.take({ type: 'started', vertex: one, name: 'RUN four' })
  const { traceEvents } = JSON.parse(profile.end('failed')) as { traceEvents: readonly Span[] }

  const spans = traceEvents.filter(({ ph }) => ph === 'X')
  expect(spans.map(({ name }) => name)).toEqual([
    'layer',
    'files',
    'RUN one',
    'RUN four',
    'RUN two',
    'ossb build',
  ])
  const build = spans.at(-1) as Span
  for (const { ts, dur } of spans) {
    expect(ts).toBeGreaterThanOrEqual(build.ts)
    expect(ts + dur).toBeLessThanOrEqual(build.ts + build.dur)
  }
  for (const a of spans)
    for (const b of spans)
      if (a !== b && a.tid === b.tid) expect(a.ts + a.dur <= b.ts || b.ts + b.dur <= a.ts).toBe(true)
  expect(spans.find(({ name }) => name === 'layer')).toMatchObject({ cat: 'transfer', dur: 10_000 })
  expect(traceEvents).toContainEqual(expect.objectContaining({ ph: 'i', name: 'RUN three (cached)' }))
})
