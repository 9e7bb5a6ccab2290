import { once } from 'node:events'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { mustRun } from '../../../support/command.ts'

/**
 * Two gigabytes and one byte: beyond what 31 bits count. Six would cost forty seconds of a processor and show
 * nothing else.
 */
const SIZE = 2 ** 31 + 1
/** Of that many zeros. */
const DIGEST = 'sha256:b8030a8ab89280935633d8d991da3d9907c0f12e8b6fc3bfc515f4d440872b6e'
const MAX_RSS = 300 * 1024 * 1024

const directory = mkdtempSync(join(tmpdir(), 'ossb-large-'))
afterAll(() => rmSync(directory, { recursive: true }))

test('D21: a blob larger than 2 GiB is sent with its length, in little memory', async () => {
  const requests: { readonly line: string; readonly length: string | undefined; bytes: number }[] = []
  const server = createServer((request, response) => {
    const seen = {
      line: `${request.method} ${request.url?.replace(/\?.*/, '')}`,
      length: request.headers['content-length'],
      bytes: 0,
    }
    requests.push(seen)
    request.on('data', (chunk: Buffer) => (seen.bytes += chunk.length))
    request.on('end', () => {
      const status = { HEAD: 404, POST: 202, PUT: 201 }[request.method ?? ''] ?? 200
      response.writeHead(status, { location: '/v2/r/x/blobs/uploads/1' }).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const file = join(directory, 'blob')
  writeFileSync(file, '')
  // Takes no room on the disk.
  truncateSync(file, SIZE)
  try {
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const driver = new URL('../../../support/push-file.mjs', import.meta.url).pathname
    const output = await mustRun(process.execPath, [driver, host, 'r/x', file, DIGEST])
    expect(requests.at(-1)).toEqual({
      line: 'PUT /v2/r/x/blobs/uploads/1',
      length: String(SIZE),
      bytes: SIZE,
    })
    expect((JSON.parse(output) as { maxRss: number }).maxRss).toBeLessThan(MAX_RSS)
  } finally {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
})
