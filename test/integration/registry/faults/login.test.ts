import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../../src/core/index.ts'
import { BLOB, blob, busy, GET_BLOB, lab, PUT_BLOB } from '../../../support/fault-lab.ts'
import type { FaultRow } from '../../../support/fault-registry.ts'

describe('logging in', () => {
  async function withTokens(
    answer: (n: number) => { status: number; body: string },
    faults: readonly FaultRow[] = [],
  ) {
    let asked = 0
    const headers: (string | undefined)[] = []
    const server = createServer((request, response) => {
      asked += 1
      headers.push(request.headers.authorization)
      const { status, body } = answer(asked)
      response.writeHead(status).end(body)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
    const challenge = {
      'www-authenticate': `Bearer realm="${realm}",service="s",scope="repository:r/x:pull"`,
    }
    const made = await lab(
      [
        { ...GET_BLOB, times: 1, answer: busy(401, challenge) },
        ...faults.map((row) => withChallenge(row, challenge)),
      ],
      {
        auth: 'alice:opensesame',
      },
    )
    made.registry.blobs.set(blob.digest, BLOB)
    return {
      ...made,
      asked: () => asked,
      headers,
      [Symbol.asyncDispose]: async () => {
        server.closeAllConnections()
        server.close()
        await once(server, 'close')
      },
    }
  }

  function withChallenge(row: FaultRow, headers: Readonly<Record<string, string>>): FaultRow {
    return row.answer.type === 'status' ? { ...row, answer: { ...row.answer, headers } } : row
  }

  const token = (value: string) => ({ status: 200, body: JSON.stringify({ access_token: value }) })

  test('renews a token that is refused in the middle of a push, once', async () => {
    await using lab = await withTokens(
      (n) => token(`token${n}`),
      [{ ...PUT_BLOB, times: 1, answer: busy(401) }],
    )
    await lab.read()
    const bytes = randomBytes(1000)
    const other = { ...blob, digest: digestOf(bytes), size: 1000 }
    await lab.remote.put(other, () => Promise.resolve(Readable.from([bytes])), lab.job)
    expect(lab.registry.blobs.has(other.digest)).toBe(true)
    expect(lab.registry.seen.filter((one) => one.method === 'PUT').map((one) => one.authorization)).toEqual([
      'Bearer token2',
      'Bearer token3',
    ])
  })

  test('gives up when a fresh token is refused too', async () => {
    await using lab = await withTokens((n) => token(`token${n}`), [{ ...GET_BLOB, answer: busy(401) }])
    await expect(lab.read()).rejects.toMatchObject({
      code: 'ERR_OSSB_UNAUTHORIZED',
      hint: expect.stringContaining('came from the environment variable DOCKER_AUTH_CONFIG'),
    })
    expect(lab.asked()).toBe(2)
  })

  test('asks for one token however many blobs are wanted at once', async () => {
    await using lab = await withTokens((n) => token(`token${n}`))
    await lab.read()
    await Promise.all(Array.from({ length: 16 }, () => lab.read()))
    expect(lab.asked()).toBe(1)
  })

  test('survives a token server that is busy', async () => {
    await using lab = await withTokens((n) => (n <= 2 ? { status: 503, body: '' } : token('t')))
    await lab.read()
    expect(lab.asked()).toBe(3)
  })

  test.each(['<html>', '{}', '[]', 'null'])('says that %s is no token', async (body) => {
    await using lab = await withTokens(() => ({ status: 200, body }))
    await expect(lab.read()).rejects.toMatchObject({
      message: expect.stringContaining('it is not a JSON document with a token'),
    })
  })

  test('a wrong password fails at once, names its source and never shows it', async () => {
    await using lab = await withTokens(() => ({
      status: 401,
      body: '{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}',
    }))
    const error: unknown = await lab.read().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'ERR_OSSB_UNAUTHORIZED',
      message: expect.stringMatching(
        /^Cannot pull blob .*: login refused: 401 UNAUTHORIZED \(wrong password\) to GET/,
      ),
      hint: expect.stringMatching(
        /^The credentials for 127.0.0.1:\d+ came from the environment variable DOCKER_AUTH_CONFIG/,
      ),
    })
    expect(lab.asked()).toBe(1)
    expect(String(lab.headers)).toContain(Buffer.from('alice:opensesame').toString('base64'))
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/opensesame|YWxpY2U6/)
  })
})
