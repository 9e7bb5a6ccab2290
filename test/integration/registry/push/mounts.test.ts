import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { endLabs, pushLab, sampleBlob } from '../../../support/push-lab.ts'

endLabs()

const { blob, bytes, open } = sampleBlob(300_000)
const MOUNT = { method: 'POST', path: /mount=/ }

describe('D3: a mount', () => {
  test('201: nothing is sent', async () => {
    const lab = await pushLab()
    lab.registry.content.blobs.set(`base ${blob.digest}`, bytes)
    await lab.repository('r/x', 'base').put(blob, open, lab.job)
    expect(lab.registry.lines()).toEqual(['GET /v2/', 'HEAD blobs/D', 'POST mount'])
    expect(lab.has(blob)).toBe(true)
  })

  test('202: the upload that the registry opened for it is used', async () => {
    const lab = await pushLab()
    await lab.repository('r/x', 'base').put(blob, open, lab.job)
    expect(lab.registry.lines()).toEqual(['GET /v2/', 'HEAD blobs/D', 'POST mount', 'PUT upload 1'])
    expect(lab.has(blob)).toBe(true)
  })

  test.each([401, 403, 404, 405, 500])('%d ends in a normal upload', async (status) => {
    const lab = await pushLab({ rules: [{ ...MOUNT, fault: { type: 'status', status } }] })
    await lab.repository('r/x', 'base').put(blob, open, lab.job)
    expect(lab.registry.lines('POST')).toEqual(['POST mount', 'POST uploads'])
    expect(lab.has(blob)).toBe(true)
    expect(lab.sent()).toBe(blob.size)
  })

  test.each([
    ['a reset', { type: 'reset', after: 0 }],
    ['202 without a Location', { type: 'amend', headers: { location: undefined } }],
  ] as const)('%s ends in a normal upload', async (_name, fault) => {
    const lab = await pushLab({ rules: [{ ...MOUNT, fault }] })
    await lab.repository('r/x', 'base').put(blob, open, lab.job)
    expect(lab.registry.lines('POST')).toEqual(['POST mount', 'POST uploads'])
    expect(lab.has(blob)).toBe(true)
  })

  test('is not tried again when the upload after it fails', async () => {
    const lab = await pushLab({
      rules: [{ method: 'PUT', path: /uploads/, times: 1, fault: { type: 'status', status: 500 } }],
    })
    await lab.repository('r/x', 'base').put(blob, open, lab.job)
    expect(lab.registry.lines('POST')).toEqual(['POST mount', 'POST uploads'])
  })

  test('a refused one takes the upload of the check before the build', async () => {
    const lab = await pushLab({ rules: [{ ...MOUNT, fault: { type: 'status', status: 403 } }] })
    await lab.client.checkPush({ registry: lab.registry.host, repository: 'r/x' }, lab.job)
    await lab.repository('r/x', 'base').put(blob, open, lab.job)
    expect(lab.registry.lines('POST')).toEqual(['POST uploads', 'POST mount'])
    expect(lab.registry.lines('PUT')).toEqual(['PUT upload 1'])
  })
})

describe('a blob for several repositories of a registry', () => {
  test('is sent once, and mounted to the others', async () => {
    const lab = await pushLab()
    const names = ['r/a', 'r/b', 'r/c']
    await Promise.all(names.map((name) => lab.repository(name).put(blob, open, lab.job)))
    expect(names.map((name) => lab.has(blob, name))).toEqual([true, true, true])
    expect(lab.registry.lines('PUT')).toEqual(['PUT upload 1'])
    expect(lab.registry.lines('POST').filter((line) => line === 'POST mount')).toHaveLength(2)
    expect(lab.sent()).toBe(blob.size)
  })

  test('is sent by the next one when the first fails', async () => {
    const lab = await pushLab({
      rules: [{ method: 'PUT', path: /r\/a\/blobs/, fault: { type: 'status', status: 400 } }],
    })
    const names = ['r/a', 'r/b', 'r/c']
    const done = await Promise.allSettled(names.map((name) => lab.repository(name).put(blob, open, lab.job)))
    expect(done.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
    expect(names.map((name) => lab.has(blob, name))).toEqual([false, true, true])
    // Once refused, once taken.
    expect(lab.sent()).toBe(2 * blob.size)
  })

  test('is sent once when the same repository is asked for it twice', async () => {
    const lab = await pushLab()
    await Promise.all([lab.remote.put(blob, open, lab.job), lab.repository('r/x').put(blob, open, lab.job)])
    expect(lab.registry.lines('PUT')).toHaveLength(1)
  })
})

test('no more than four blobs are on their way to a registry at once', async () => {
  const lab = await pushLab()
  let reading = 0
  let most = 0
  let four = (): void => {}
  const untilFour = new Promise<void>((resolve) => (four = resolve))
  const opening = (one: ReturnType<typeof sampleBlob>) => async () => {
    reading += 1
    most = Math.max(most, reading)
    if (reading === 4) setImmediate(four)
    await untilFour
    const stream = await one.open()
    stream.once('close', () => (reading -= 1))
    return stream
  }
  const blobs = Array.from({ length: 12 }, () => sampleBlob(200_000))
  await Promise.all(
    blobs.map((one, at) => lab.repository(`r/${at % 3}`).put(one.blob, opening(one), lab.job)),
  )
  expect(most).toBe(4)
  expect(lab.sent()).toBe(12 * 200_000)
})

test('D21: blobs of no byte and of 39 bytes have a Content-Length, and arrive', async () => {
  const lab = await pushLab()
  for (const size of [0, 39]) {
    const one = sampleBlob(size)
    await lab.remote.put(one.blob, () => Promise.resolve(Readable.from([one.bytes])), lab.job)
    expect(lab.has(one.blob)).toBe(true)
    const put = lab.registry.seen.findLast(({ method }) => method === 'PUT')
    expect(put?.headers['content-length']).toBe(String(size))
    expect(put?.headers['transfer-encoding']).toBeUndefined()
  }
})
