import { describe, expect, test } from 'vitest'
import { digestOf, OssbError } from '../../../src/core/index.ts'
import { type Exporter, many } from '../../../src/exporters/index.ts'
import { imageOf, recordingJob } from '../../support/sample-image.ts'

const exporter = (name: string, failure?: Error): Exporter => ({
  name,
  async export() {
    if (failure !== undefined) throw failure
    const descriptor = { mediaType: 'm', digest: digestOf(name), size: 1 }
    return { descriptor, configDigest: digestOf('config'), outputs: [`${name} written`] }
  },
})

describe('many()', () => {
  test('gives the first result with the outputs of all', async () => {
    const result = await many([exporter('a'), exporter('b')]).export([imageOf([])], recordingJob())
    expect(result).toEqual({
      descriptor: { mediaType: 'm', digest: digestOf('a'), size: 1 },
      configDigest: digestOf('config'),
      outputs: ['a written', 'b written'],
    })
  })

  test('lets all run to their end and reports every failure', async () => {
    const full = new OssbError('ERR_OSSB_NO_SPACE', 'Cannot write "x": no space left on the device', {
      hint: 'Free some.',
    })
    const job = recordingJob()
    const exporting = many([exporter('a', full), exporter('b'), exporter('c', new Error('broken'))]).export(
      [imageOf([])],
      job,
    )
    await expect(exporting).rejects.toMatchObject({
      code: 'ERR_OSSB_NO_SPACE',
      hint: 'Free some.',
      message: 'Cannot export: 2 failures:\n- Cannot write "x": no space left on the device\n- broken',
    })
    const ended = job.events.flatMap((event) =>
      event.type === 'completed' ? [[event.name, event.error]] : [],
    )
    expect(ended).toEqual([
      ['exporting to a', 'Cannot write "x": no space left on the device'],
      ['exporting to b', undefined],
      ['exporting to c', 'broken'],
    ])
    expect(new Set(job.events.map(({ vertex }) => vertex)).size).toBe(3)
  })
})
