import { describe, expect, test } from 'vitest'
import { endLabs, pushLab, sampleBlob } from '../../../support/push-lab.ts'

endLabs()

const { blob, open } = sampleBlob(100_000)

describe('D9: the Location of an upload', () => {
  const forms: readonly [string, (path: string, host: string) => string][] = [
    ['a path', (path) => path],
    ['a URL', (path, host) => `http://${host}${path}`],
    ['a URL without scheme', (path, host) => `//${host}${path}`],
    ['a host and a path', (path, host) => `${host}${path}`],
  ]

  test.each(forms)('%s is followed and keeps its query', async (_name, location) => {
    const lab = await pushLab({ location })
    await lab.remote.put(blob, open, lab.job)
    expect(lab.has(blob)).toBe(true)
    expect(lab.registry.seen.at(-1)?.path).toBe(
      `/v2/r/x/blobs/uploads/1?_state=a%2Bb%3D&at=0&digest=${encodeURIComponent(blob.digest)}`,
    )
  })

  test('on another host gets no credentials', async () => {
    const storage = await pushLab()
    const challenge = { 'www-authenticate': 'Basic realm="x"' }
    const lab = await pushLab({
      auth: 'alice:opensesame',
      location: (path) => `http://${storage.registry.host}${path}`,
      rules: [{ method: 'HEAD', times: 1, fault: { type: 'status', status: 401, headers: challenge } }],
    })
    storage.registry.content.sessions.set('1', Buffer.alloc(0))
    await lab.remote.put(blob, open, lab.job)
    expect(storage.has(blob)).toBe(true)
    expect(storage.registry.seen.map(({ headers }) => headers.authorization)).toEqual([undefined])
    expect(lab.registry.seen.find(({ method }) => method === 'POST')?.headers.authorization).toMatch(
      /^Basic /,
    )
  })

  test.each([
    ['missing', () => undefined, 'it opened an upload and did not say where (no Location header)'],
    ['no URL', () => 'http://[', 'it opened an upload at "http://[", which is not a URL'],
  ])('that is %s is a clear error', async (_name, location, why) => {
    const lab = await pushLab({ location })
    await expect(lab.remote.put(blob, open, lab.job)).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: `Cannot push to "${lab.registry.host}": ${why}`,
    })
    expect(lab.registry.lines('PUT')).toEqual([])
  })
})
