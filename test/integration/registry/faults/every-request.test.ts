import { describe, expect, test } from 'vitest'
import { copy } from '../../../../src/registry/index.ts'
import { busy, lab } from '../../../support/fault-lab.ts'
import type { FaultRow } from '../../../support/fault-registry.ts'
import { addImage, memoryRepository, recordingJob } from '../../../support/registry-image.ts'

describe('one fault at any request of a push and a pull changes nothing:', () => {
  const trip = async (faults: readonly FaultRow[]) => {
    const { registry, remote } = await lab(faults, { stallMs: 400 })
    const source = memoryRepository()
    const image = addImage(source, [3000, 2000])
    await copy(source, remote, image, recordingJob(), { concurrency: 1 })
    await remote.tag(image, 'v1', recordingJob())
    const back = memoryRepository()
    await copy(remote, back, await remote.resolve('v1', recordingJob()), recordingJob(), { concurrency: 1 })
    expect([...back.contents.keys()].sort()).toEqual([...source.contents.keys()].sort())
    return registry.seen.length
  }

  test.each([
    ['503', busy(503)],
    ['a reset before the request is carried out', { type: 'reset' }],
    ['a reset after it', { type: 'reset', after: 'request' }],
    ['a cut in the body', { type: 'cut', after: 100 }],
    ['a stall in the body', { type: 'stall', after: 100 }],
  ] as const)('%s', async (_name, answer) => {
    // The first request only finds out that this is no TLS.
    const requests = await trip([])
    expect(requests).toBeGreaterThan(15)
    for (let skip = 0; skip < requests; skip += 1)
      await trip([{ method: '*', path: /./, skip, times: 1, answer }]).catch((cause: unknown) => {
        throw new Error(`with a fault at request ${skip + 1} of ${requests}`, { cause })
      })
  })
})
