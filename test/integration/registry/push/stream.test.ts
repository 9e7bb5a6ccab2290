import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { OssbError } from '../../../../src/core/index.ts'
import type { ComingBlob } from '../../../../src/oci/index.ts'
import { endLabs, pushLab, sampleBlob } from '../../../support/push-lab.ts'
import { startRegistry } from '../../../support/registry.ts'
import { createRegistryClient } from '../../../../src/registry/index.ts'
import { recordingJob } from '../../../support/registry-image.ts'

endLabs()

const { blob, bytes, open } = sampleBlob(1_000_000)
const PATCH = { method: 'PATCH', path: /\/blobs\/uploads\// }

/** The blob as it is made: in pieces, with its name at the end. */
function coming(failure?: Error): ComingBlob {
  let name: (blob: ComingBlob['descriptor']) => void = () => undefined
  const descriptor = new Promise<Awaited<ComingBlob['descriptor']>>((resolve) => (name = resolve))
  descriptor.catch(() => undefined)
  async function* pieces() {
    for await (const piece of await open()) {
      yield piece as Buffer
      await setTimeout(1)
    }
    if (failure !== undefined) {
      name(Promise.reject(failure))
      throw failure
    }
    name(Promise.resolve(blob))
  }
  return { bytes: pieces(), descriptor }
}

describe('a blob that is sent while it is made', () => {
  test('goes in one request without a length, and is named at its end', async () => {
    const lab = await pushLab()
    await lab.remote.stream(coming(), lab.job)
    expect(lab.registry.lines()).toEqual(['GET /v2/', 'POST uploads', 'PATCH upload 1', 'PUT upload 1'])
    const [patch] = lab.registry.seen.filter(({ method }) => method === 'PATCH')
    expect(patch?.headers).toMatchObject({ 'transfer-encoding': 'chunked' })
    expect(patch?.headers).not.toHaveProperty('content-range')
    expect(lab.registry.content.blobs.get(`r/x ${blob.digest}`)).toEqual(bytes)
  })

  test('is awaited by who puts the same, there and in another repository', async () => {
    const lab = await pushLab()
    const made = coming()
    const sent = lab.remote.stream(made, lab.job)
    await made.descriptor
    await Promise.all([
      sent,
      lab.remote.put(blob, open, lab.job),
      lab.repository('r/y').put(blob, open, lab.job),
    ])
    expect(lab.sent()).toBe(blob.size)
    expect(lab.has(blob, 'r/y')).toBe(true)
  })

  test('uses the upload that was opened to find out whether a push is allowed', async () => {
    const lab = await pushLab()
    await lab.client.checkPush({ registry: lab.registry.host, repository: 'r/x' }, lab.job)
    await lab.remote.stream(coming(), lab.job)
    expect(lab.registry.lines('POST')).toHaveLength(1)
  })

  test.each([
    ['413', { type: 'status', status: 413 }],
    ['413 before it is whole', { type: 'status', status: 413, early: 'closes' }],
    ['405', { type: 'status', status: 405 }],
    ['401', { type: 'status', status: 401 }],
    ['a broken connection', { type: 'reset', after: 300_000 }],
  ] as const)('after %s is put as any other, and no other is sent so', async (_name, fault) => {
    const lab = await pushLab({ rules: [{ ...PATCH, fault }] })
    await expect(lab.remote.stream(coming(), lab.job)).rejects.toThrow(OssbError)
    expect(lab.registry.lines('DELETE')).toEqual(['DELETE upload 1'])
    await lab.remote.put(blob, open, lab.job)
    expect(lab.has(blob)).toBe(true)
    const before = lab.registry.seen.length
    await expect(lab.remote.stream(coming(), lab.job)).rejects.toThrow('what is still being made')
    expect(lab.registry.seen).toHaveLength(before)
  })

  test('that does not come about ends its upload', async () => {
    const lab = await pushLab()
    const failure = new OssbError('ERR_OSSB_CODEC', 'Cannot compress')
    await expect(lab.remote.stream(coming(failure), lab.job)).rejects.toThrow()
    expect(lab.registry.content.blobs.size).toBe(0)
    expect(lab.registry.content.sessions.size).toBe(0)
  })

  test('is not sent so to a registry that is to get chunks', async () => {
    const lab = await pushLab({ chunkBytes: 100_000 })
    await expect(lab.remote.stream(coming(), lab.job)).rejects.toThrow('what is still being made')
    expect(lab.registry.seen).toEqual([])
  })

  test("is taken by Debian's registry", async () => {
    const registry = await startRegistry()
    try {
      await using client = createRegistryClient({ insecureRegistries: [], environment: {} })
      const remote = client.repository({ registry: registry.host, repository: 'r/x' }, {})
      const job = recordingJob()
      await remote.stream(coming(), job)
      expect(await remote.has(blob, job)).toBe(true)
    } finally {
      await registry.stop()
    }
  })
})
