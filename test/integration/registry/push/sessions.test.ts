import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { endLabs, pushLab, sampleBlob } from '../../../support/push-lab.ts'
import { recordingJob } from '../../../support/registry-image.ts'
import { problem } from '../../../support/upload-registry-content.ts'

endLabs()

const { blob, bytes, open } = sampleBlob(400_000)
const HEAD = { method: 'HEAD', path: /\/blobs\// }
const POST = { method: 'POST', path: /\/blobs\/uploads\// }
const PUT = { method: 'PUT', path: /\/blobs\/uploads\// }
const status = (code: number, headers = {}) => ({ type: 'status', status: code, headers }) as const
const once = { times: 1 }

describe('D1: a registry that can not say whether it has a blob', () => {
  test('500 once is asked again', async () => {
    const lab = await pushLab({ rules: [{ ...HEAD, ...once, fault: status(500) }] })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines()).toEqual([
      'GET /v2/',
      'HEAD blobs/D',
      'HEAD blobs/D',
      'POST uploads',
      'PUT upload 1',
    ])
  })

  test.each([403, 405, 500])('%d always counts as not there', async (code) => {
    const lab = await pushLab({ rules: [{ ...HEAD, fault: status(code) }] })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.has(blob)).toBe(true)
    expect(lab.sent()).toBe(blob.size)
  })

  test('what is there is not sent', async () => {
    const lab = await pushLab()
    lab.registry.content.blobs.set(`r/x ${blob.digest}`, bytes)
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines()).toEqual(['GET /v2/', 'HEAD blobs/D'])
  })
})

describe('D2: opening an upload', () => {
  test.each([
    ['503', status(503)],
    ['429', status(429, { 'retry-after': '2' })],
  ])('%s is tried again', async (_name, fault) => {
    const lab = await pushLab({ rules: [{ ...POST, times: 2, fault }] })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines('POST')).toHaveLength(3)
    expect(lab.sent()).toBe(blob.size)
  })

  test.each([
    ['503', status(503)],
    ['429', status(429, { 'retry-after': '2' })],
  ])('%s to the check before the build is tried again, and its upload is used', async (_name, fault) => {
    const lab = await pushLab({ rules: [{ ...POST, times: 2, fault }] })
    await lab.client.checkPush({ registry: lab.registry.host, repository: 'r/x' }, lab.job)
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines('POST')).toHaveLength(3)
    expect(lab.registry.lines('PUT')).toEqual(['PUT upload 1'])
    expect(lab.registry.lines('DELETE')).toEqual([])
    expect(lab.job.events.filter(({ type }) => type === 'warning')).toEqual([])
  })

  test('a check that nothing is pushed after ends its upload with the client', async () => {
    const lab = await pushLab()
    await lab.client.checkPush({ registry: lab.registry.host, repository: 'r/x' }, lab.job)
    await lab.client.checkPush({ registry: lab.registry.host, repository: 'r/x' }, lab.job)
    expect(lab.registry.lines('DELETE')).toEqual([])
    await lab.close()
    expect(lab.registry.lines('POST')).toHaveLength(1)
    expect(lab.registry.lines('DELETE')).toEqual(['DELETE upload 1'])
    expect(lab.registry.content.sessions.size).toBe(0)
  })

  test('an upload of the check that the registry has forgotten costs no more than another one', async () => {
    const lab = await pushLab()
    await lab.client.checkPush({ registry: lab.registry.host, repository: 'r/x' }, lab.job)
    lab.registry.content.sessions.clear()
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines('PUT')).toEqual(['PUT upload 1', 'PUT upload 2'])
    expect(lab.has(blob)).toBe(true)
  })
})

describe('D4: an upload that breaks', () => {
  test.each([
    ['a reset before the body', { type: 'reset', after: 0 }],
    ['a reset in the middle', { type: 'reset', after: 200_000 }],
    ['500 to the data', status(500)],
    ['503 to the data', status(503)],
  ] as const)(
    '%s: the blob is looked for, and then sent as a whole in a new session',
    async (_name, fault) => {
      const lab = await pushLab({ rules: [{ ...PUT, ...once, fault }] })
      await lab.remote.put(blob, open, lab.job)
      expect(lab.registry.lines()).toEqual([
        'GET /v2/',
        'HEAD blobs/D',
        'POST uploads',
        'PUT upload 1',
        'DELETE upload 1',
        'HEAD blobs/D',
        'POST uploads',
        'PUT upload 2',
      ])
      expect(lab.registry.seen.at(-1)?.bytes).toBe(blob.size)
      expect(lab.has(blob)).toBe(true)
    },
  )

  test('a reset after the whole body, which the registry kept: nothing is sent again', async () => {
    const lab = await pushLab({ rules: [{ ...PUT, ...once, fault: { type: 'lost' } }] })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines('PUT')).toEqual(['PUT upload 1'])
    expect(lab.sent()).toBe(blob.size)
  })

  test('six times: it ends, and says what and why', async () => {
    const lab = await pushLab({ rules: [{ ...PUT, fault: status(503) }] })
    await expect(lab.remote.put(blob, open, lab.job)).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringMatching(
        `Cannot push blob ${blob.digest} to "${lab.registry.host}/r/x": 503 Service Unavailable to PUT`,
      ),
    })
    expect(lab.registry.lines('PUT')).toHaveLength(6)
    expect(lab.registry.content.sessions.size).toBe(0)
  })
})

test('D6: a registry that stops reading is left, and the blob sent in a new session', async () => {
  const large = sampleBlob(16_000_000)
  const lab = await pushLab({ stallMs: 400, rules: [{ ...PUT, ...once, fault: { type: 'deaf' } }] })
  await lab.remote.put(large.blob, large.open, lab.job)
  expect(lab.registry.lines('PUT')).toEqual(['PUT upload 1', 'PUT upload 2'])
  expect(lab.has(large.blob)).toBe(true)
})

describe('D7: an upload whose end is not clear', () => {
  test('504 after it was carried out: nothing is sent again', async () => {
    const lab = await pushLab({ rules: [{ ...PUT, ...once, fault: { type: 'amend', status: 504 } }] })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines('PUT')).toHaveLength(1)
  })

  test('202 in place of 201: the blob is looked for', async () => {
    const lab = await pushLab({ rules: [{ ...PUT, fault: { type: 'amend', status: 202 } }] })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines().slice(-2)).toEqual(['PUT upload 1', 'HEAD blobs/D'])
  })

  test('202 without the blob: a new session', async () => {
    const lab = await pushLab({ rules: [{ ...PUT, ...once, fault: status(202) }] })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines('PUT')).toEqual(['PUT upload 1', 'PUT upload 2'])
    expect(lab.has(blob)).toBe(true)
  })

  test('202 without the blob, always: an error that says so', async () => {
    const lab = await pushLab({ rules: [{ ...PUT, fault: status(202) }] })
    await expect(lab.remote.put(blob, open, lab.job)).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: `Cannot push blob ${blob.digest}: ${lab.registry.host} answered 202 to it and does not have it`,
    })
    expect(lab.registry.lines('PUT')).toHaveLength(3)
  })

  test('404 BLOB_UPLOAD_UNKNOWN: a new session', async () => {
    const body = problem(404, 'BLOB_UPLOAD_UNKNOWN').body.toString()
    const lab = await pushLab({ rules: [{ ...PUT, ...once, fault: { ...status(404), body } }] })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines('PUT')).toEqual(['PUT upload 1', 'PUT upload 2'])
  })

  test('no answer at all: the time that it may take has an end', async () => {
    const lab = await pushLab({
      commitMs: 300,
      rules: [{ ...PUT, ...once, fault: { type: 'deaf', reads: true } }],
    })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines('PUT')).toEqual(['PUT upload 1', 'PUT upload 2'])
  })
})

describe('D8: DIGEST_INVALID', () => {
  const fault = { ...status(400), body: problem(400, 'DIGEST_INVALID').body.toString() }

  test('once for content that is right: it is sent once more', async () => {
    const lab = await pushLab({ rules: [{ ...PUT, ...once, fault }] })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.registry.lines('PUT')).toHaveLength(2)
  })

  test('twice: it ends', async () => {
    const lab = await pushLab({ rules: [{ ...PUT, fault }] })
    await expect(lab.remote.put(blob, open, lab.job)).rejects.toMatchObject({
      message: expect.stringContaining('400 DIGEST_INVALID'),
    })
    expect(lab.registry.lines('PUT')).toHaveLength(2)
  })

  test('for content that was damaged here meanwhile: that is the error, and its end is never sent', async () => {
    const lab = await pushLab({ rules: [{ ...PUT, ...once, fault }] })
    let opened = 0
    const damaged = Buffer.from(bytes)
    damaged[399_999] = (damaged[399_999] ?? 0) ^ 1
    const openDamaged = () => {
      opened += 1
      return opened === 1
        ? open()
        : Promise.resolve(Readable.from([damaged.subarray(0, 1000), damaged.subarray(1000)]))
    }
    await expect(lab.remote.put(blob, openDamaged, lab.job)).rejects.toMatchObject({
      code: 'ERR_OSSB_INTEGRITY',
      message: expect.stringContaining(`Cannot push blob ${blob.digest}: the content to send is sha256:`),
    })
    expect(lab.registry.lines('PUT')).toHaveLength(2)
    expect(lab.registry.seen.filter(({ method }) => method === 'PUT').at(-1)?.bytes).toBeLessThan(blob.size)
    expect(lab.has(blob)).toBe(false)
  })
})

describe('D18: ending an upload', () => {
  test.each([401, 403, 405, 500])('%d to it is nobody’s business', async (code) => {
    const lab = await pushLab({
      auth: 'alice:opensesame',
      rules: [
        { method: 'DELETE', fault: status(code, { 'www-authenticate': 'Basic realm="x"' }) },
        { ...PUT, ...once, fault: status(500) },
      ],
    })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.has(blob)).toBe(true)
    expect(lab.registry.lines('DELETE')).toEqual(['DELETE upload 1'])
  })

  test('a push that is stopped ends its upload, and throws the reason', async () => {
    const lab = await pushLab({ rules: [{ ...PUT, fault: { type: 'deaf', reads: true } }] })
    const controller = new AbortController()
    const reason = new Error('interrupted')
    const putting = lab.remote.put(blob, open, recordingJob(controller.signal))
    await expect.poll(() => lab.registry.seen.at(-1)?.bytes).toBe(blob.size)
    controller.abort(reason)
    await expect(putting).rejects.toBe(reason)
    expect(lab.registry.lines('DELETE')).toEqual(['DELETE upload 1'])
    expect(lab.registry.content.sessions.size).toBe(0)
  })
})
