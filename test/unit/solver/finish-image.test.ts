import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/index.ts'
import { createVertex, type Plan } from '../../../src/graph/index.ts'
import type { HistoryEntry, Layer } from '../../../src/oci/index.ts'
import { finishImage } from '../../../src/solver/index.ts'

const layer = (name: string, created?: string): Layer => ({
  diffId: digestOf(name),
  descriptor: { mediaType: 'm', digest: digestOf(name), size: 1 },
  ...(created === undefined ? {} : { created }),
  open: () => Promise.reject(new Error('not read here')),
})

const plan = (history: readonly HistoryEntry[], baseHistory: number, created?: string): Plan => ({
  platform: { os: 'linux', architecture: 'amd64' },
  root: createVertex({ kind: 'scratch' }, [], { name: '' }),
  config: { os: 'linux', architecture: 'amd64', history, ...(created === undefined ? {} : { created }) },
  baseHistory,
})

const times = (image: ReturnType<typeof finishImage>) => image.config.history?.map(({ created }) => created)

describe('finishImage()', () => {
  test('gives history the times of its layers, and entries without one that of the layer before', () => {
    const history = [{ created: 'base' }, { empty_layer: true }, {}, { empty_layer: true }, {}]
    const image = finishImage(
      plan(history, 1, 'base'),
      [layer('b'), layer('1', 't1'), layer('2', 't2')],
      undefined,
    )
    expect(times(image)).toEqual(['base', 't1', 't1', 't1', 't2'])
    expect(image.config.created).toBe('t2')
    expect(image.config.rootfs.diff_ids).toEqual(['b', '1', '2'].map((text) => digestOf(text)))
  })

  test('gives everything new the time that was asked for', () => {
    const image = finishImage(
      plan([{ created: 'base' }, {}, { empty_layer: true }], 1),
      [layer('b'), layer('1', 't1')],
      'epoch',
    )
    expect(times(image)).toEqual(['base', 'epoch', 'epoch'])
    expect(image.config.created).toBe('epoch')
  })

  test('without a layer of its own takes the time of the base', () => {
    expect(
      times(
        finishImage(plan([{ created: 'base' }, { empty_layer: true }], 1, 'config'), [layer('b')], undefined),
      ),
    ).toEqual(['base', 'config'])
    expect(
      times(finishImage(plan([{ created: 'base' }, { empty_layer: true }], 1), [layer('b')], undefined)),
    ).toEqual(['base', 'base'])
    expect(times(finishImage(plan([{ empty_layer: true }], 0), [], undefined))).toEqual([
      '1970-01-01T00:00:00Z',
    ])
  })

  test('leaves an image that adds nothing as its base was', () => {
    const image = finishImage(plan([{ created: 'base' }], 1, 'config'), [layer('b')], undefined)
    expect(image.config).toMatchObject({ created: 'config', history: [{ created: 'base' }] })
  })
})
