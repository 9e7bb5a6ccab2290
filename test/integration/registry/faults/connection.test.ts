import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../../src/core/index.ts'
import { BLOB, blob, busy, GET_BLOB, lab } from '../../../support/fault-lab.ts'

describe('a redirect', () => {
  test('is followed to another origin without the Authorization header', async () => {
    const storage = await lab([])
    storage.registry.blobs.set(blob.digest, BLOB)
    const location = `http://${storage.registry.host}/v2/r/x/blobs/${blob.digest}`
    const { registry, read } = await lab(
      [
        { ...GET_BLOB, times: 1, answer: busy(401, { 'www-authenticate': 'Basic realm="x"' }) },
        { ...GET_BLOB, answer: busy(307, { location }) },
      ],
      { auth: 'alice:opensesame' },
    )
    expect(digestOf(await read())).toBe(blob.digest)
    expect(registry.seen.at(-1)?.authorization).toMatch(/^Basic /)
    expect(storage.registry.seen.map((one) => one.authorization)).toEqual([undefined])
  })

  test.each([
    ['in a circle', '/v2/r/x/blobs/sha256:loop', 'there are more than ten'],
    [
      'to a metadata address',
      'http://169.254.169.254/latest',
      'it leads to a link-local or metadata address',
    ],
    ['to a file', 'file:///etc/passwd', '"file:" is not followed'],
  ])('%s is refused', async (_name, location, why) => {
    const { read } = await lab([{ ...GET_BLOB, answer: busy(307, { location }) }])
    await expect(read()).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringContaining(why),
    })
  })
})
