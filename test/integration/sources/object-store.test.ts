import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openContext, parseContext } from '../../../src/sources/index.ts'
import { mustRun } from '../../support/command.ts'
import { testSources } from '../../support/source-services.ts'

const KEYS = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret', AWS_EC2_METADATA_DISABLED: 'true' }

interface Asked {
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

/** A server that has one archive, and answers with what `refuse` says before it gives it. */
async function startStore(refuse: (asked: Asked) => { status: number; headers?: object } | undefined) {
  const archive = await mustRun('sh', [
    '-c',
    'd=$(mktemp -d); echo a >"$d/a"; tar -C "$d" -czf - . | base64; rm -r "$d"',
  ])
  const asked: Asked[] = []
  const server = createServer(({ url = '', headers }, response) => {
    asked.push({ url, headers })
    const no = refuse({ url, headers })
    if (no !== undefined) response.writeHead(no.status, { ...no.headers }).end()
    else response.end(Buffer.from(archive, 'base64'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function contextOf(text: string, environment: Record<string, string>): Promise<string> {
  await using sources = testSources(environment)
  const spec = parseContext(text)
  if (spec.type !== 'object') throw new Error(`"${text}" is a context of type ${spec.type}`)
  const { root } = await openContext(spec, sources.services, sources.job)
  return readFileSync(join(root, 'a'), 'utf8')
}

test('an object of S3 is fetched with a signature for the region that the bucket is in', async () => {
  await using store = await startStore(({ headers }) =>
    headers.authorization?.includes('/eu-west-1/s3/') === true
      ? undefined
      : { status: 301, headers: { 'x-amz-bucket-region': 'eu-west-1' } },
  )
  const environment = { ...KEYS, S3_ENDPOINT: store.url, S3_FORCE_PATH_STYLE: 'true' }
  expect(await contextOf('s3://bucket/dir/context (1)+.tgz', environment)).toBe('a\n')
  expect(store.asked.map(({ url }) => url)).toEqual([
    '/bucket/dir/context%20%281%29%2B.tgz',
    '/bucket/dir/context%20%281%29%2B.tgz',
  ])
  expect(store.asked[1]?.headers.authorization).toMatch(
    /^AWS4-HMAC-SHA256 Credential=key\/\d{8}\/eu-west-1\/s3\/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=[0-9a-f]{64}$/,
  )
})

test('an object that everybody may read needs no credentials', async () => {
  await using store = await startStore(({ headers }) =>
    headers.authorization === undefined ? undefined : { status: 400 },
  )
  const environment = { STORAGE_EMULATOR_HOST: store.url, GCE_METADATA_HOST: '127.0.0.1:1' }
  expect(await contextOf('gs://bucket/dir/context.tgz', environment)).toBe('a\n')
  expect(store.asked.map(({ url }) => url)).toEqual(['/storage/v1/b/bucket/o/dir%2Fcontext.tgz?alt=media'])
})

test.each([
  [404, 'the server answers 404', 1],
  [403, 'the server answers 403', 1],
  [503, 'the server answers 503', 4],
])('an answer of %i is told with the name of the object', async (status, text, times) => {
  await using store = await startStore(() => ({ status }))
  const environment = { ...KEYS, S3_ENDPOINT: store.url, S3_FORCE_PATH_STYLE: 'true' }
  await expect(contextOf('s3://bucket/context.tgz', environment)).rejects.toThrow(
    `Cannot fetch "s3://bucket/context.tgz": ${text}`,
  )
  expect(store.asked).toHaveLength(times)
})
