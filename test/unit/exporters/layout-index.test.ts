import { describe, expect, test } from 'vitest'
import { digestOf, MEDIA_TYPE } from '../../../src/core/index.ts'
import { layoutEntries, mergeLayoutIndex, serializeLayoutIndex } from '../../../src/exporters/layout-index.ts'

const root = (text: string) => ({
  mediaType: MEDIA_TYPE.ociManifest,
  digest: digestOf(text),
  size: text.length,
})
const refNames = (index: string) =>
  (
    JSON.parse(index) as { manifests: { digest: string; annotations?: Record<string, string> }[] }
  ).manifests.map(({ digest, annotations }) => [
    annotations?.['org.opencontainers.image.ref.name'],
    digest.slice(7, 11),
  ])

describe('layoutEntries()', () => {
  test('makes one entry for each name', () => {
    const entries = layoutEntries({
      root: root('a'),
      platform: { os: 'linux', architecture: 'amd64' },
      created: '2020-01-01T00:00:00Z',
      names: ['foo/bar:1', 'localhost:5000/x'],
    })
    expect(entries.map(({ annotations }) => annotations)).toEqual([
      {
        'io.containerd.image.name': 'docker.io/foo/bar:1',
        'org.opencontainers.image.created': '2020-01-01T00:00:00Z',
        'org.opencontainers.image.ref.name': '1',
      },
      {
        'io.containerd.image.name': 'localhost:5000/x:latest',
        'org.opencontainers.image.created': '2020-01-01T00:00:00Z',
        'org.opencontainers.image.ref.name': 'latest',
      },
    ])
    expect(entries[0]).toMatchObject({ ...root('a'), platform: { os: 'linux', architecture: 'amd64' } })
  })

  test('makes one entry without a name, or with the default tag', () => {
    expect(layoutEntries({ root: root('a'), names: [] })).toEqual([{ ...root('a'), annotations: {} }])
    expect(layoutEntries({ root: root('a'), names: [] }, 'latest')[0]?.annotations).toEqual({
      'org.opencontainers.image.ref.name': 'latest',
    })
  })
})

describe('mergeLayoutIndex()', () => {
  const index = (...texts: string[]) =>
    Buffer.from(
      serializeLayoutIndex(
        texts.flatMap((text) => layoutEntries({ root: root(text), names: [`x:${text}`] })),
      ),
    )
  const short = (text: string) => digestOf(text).slice(7, 11)

  test('moves a name and keeps the others', () => {
    const entries = layoutEntries({ root: root('new'), names: ['y:b'] })
    expect(refNames(mergeLayoutIndex(index('a', 'b', 'c'), entries, 'index'))).toEqual([
      ['a', short('a')],
      ['c', short('c')],
      ['b', short('new')],
    ])
  })

  test('adds an image without a name once', () => {
    const entries = layoutEntries({ root: root('n'), names: [] })
    const once = mergeLayoutIndex(index('a'), entries, 'index')
    expect(mergeLayoutIndex(Buffer.from(once), entries, 'index')).toBe(once)
  })

  test('keeps members that it does not know', () => {
    const existing = { schemaVersion: 2, 'x-own': [1], manifests: [{ ...root('a'), data: 'YQ==' }] }
    const merged = mergeLayoutIndex(
      Buffer.from(JSON.stringify(existing)),
      layoutEntries({ root: root('b'), names: ['x:b'] }),
      'index',
    )
    expect(JSON.parse(merged)).toMatchObject({ 'x-own': [1], manifests: [{ data: 'YQ==' }, {}] })
  })

  test.each([
    '{',
    '[]',
    '{"schemaVersion":1}',
    `{"schemaVersion":2,"mediaType":"${MEDIA_TYPE.ociManifest}"}`,
  ])('refuses %s', (text) => {
    expect(() => mergeLayoutIndex(Buffer.from(text), [], '"dir/index.json"')).toThrow(/"dir\/index.json"/)
  })
})
