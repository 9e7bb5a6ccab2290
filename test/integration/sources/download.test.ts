import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/index.ts'
import { download, openContext, placeDownload, type SourceServices } from '../../../src/sources/index.ts'
import { startFileServer } from '../../support/file-server.ts'
import { testSources } from '../../support/source-services.ts'

const DATE = 'Tue, 02 Jan 2024 03:04:05 GMT'

describe('download()', () => {
  test('keeps content, time and mode; a file without Last-Modified is of 1970', async () => {
    await using server = await startFileServer()
    await using sources = testSources()
    server.files.set('/dated', (_request, response) => response.setHeader('last-modified', DATE).end('dated'))
    server.files.set('/plain', 'plain')
    const place = async (path: string): Promise<string> => {
      const to = join(sources.services.directory(), 'file')
      placeDownload(await download({ url: `${server.url}${path}` }, sources.services, sources.job), to)
      return to
    }
    const [dated, plain] = [await place('/dated'), await place('/plain')]
    expect(readFileSync(dated, 'utf8')).toBe('dated')
    expect(statSync(dated)).toMatchObject({ mode: 0o100600, mtimeMs: Date.parse(DATE) })
    expect(statSync(plain)).toMatchObject({ mode: 0o100600, mtimeMs: 0 })
  })

  test('follows redirects, to another path and another host, without the credentials of the first', async () => {
    await using server = await startFileServer()
    await using sources = testSources()
    const seen: (string | undefined)[] = []
    const { port } = new URL(server.url)
    server.files.set('/start', (request, response) => {
      seen.push(request.headers.authorization)
      response.writeHead(302, { location: `http://localhost:${port}/next?x=1` }).end()
    })
    server.files.set('/next', (request, response) => {
      seen.push(request.headers.authorization)
      response.writeHead(307, { location: 'end' }).end()
    })
    server.files.set('/end', 'arrived')
    const url = `http://user:p%40ss@127.0.0.1:${port}/start`
    const { path } = await download({ url }, sources.services, sources.job)
    expect(readFileSync(path, 'utf8')).toBe('arrived')
    expect(seen).toEqual([`Basic ${Buffer.from('user:p@ss').toString('base64')}`, undefined])
  })

  test('asks whether a file has changed, and does not download it again when it has not', async () => {
    await using server = await startFileServer()
    await using sources = testSources()
    let etag = '"one"'
    server.files.set('/tagged', (request, response) => {
      response.setHeader('etag', etag)
      if (request.headers['if-none-match'] === etag) response.writeHead(304).end()
      else response.end(`content of ${etag}`)
    })
    server.files.set('/dated', (request, response) => {
      response.setHeader('last-modified', DATE)
      response.writeHead(request.headers['if-modified-since'] === DATE ? 304 : 200).end('dated')
    })
    const get = async (path: string): Promise<string> =>
      readFileSync(
        (await download({ url: `${server.url}${path}` }, sources.again(), sources.job)).path,
        'utf8',
      )
    expect([await get('/tagged'), await get('/tagged')]).toEqual(['content of "one"', 'content of "one"'])
    etag = '"two"'
    expect(await get('/tagged')).toBe('content of "two"')
    expect([await get('/dated'), await get('/dated')]).toEqual(['dated', ''].map(() => 'dated'))
    expect(server.requests).toEqual([
      'GET /tagged',
      'GET /tagged if "one"',
      'GET /tagged if "one"',
      'GET /dated',
      `GET /dated if ${DATE}`,
    ])
  })

  test('asks for a whole file again when the one that was kept is damaged', async () => {
    await using server = await startFileServer()
    await using sources = testSources()
    server.files.set('/a', (_request, response) => response.setHeader('etag', '"1"').end('right'))
    const what = { url: `${server.url}/a` }
    const { path } = await download(what, sources.services, sources.job)
    writeFileSync(path, 'wrong')
    expect(readFileSync((await download(what, sources.services, sources.job)).path, 'utf8')).toBe('right')
    expect(server.requests).toEqual(['GET /a', 'GET /a'])
  })

  test('with a checksum refuses other content, and asks no server for what it has', async () => {
    await using server = await startFileServer()
    await using sources = testSources()
    server.files.set('/a', 'content')
    const url = `${server.url}/a`
    const get = (checksum: ReturnType<typeof digestOf>) =>
      download({ url, checksum }, sources.services, sources.job)
    await expect(get(digestOf('other'))).rejects.toThrow(
      `Cannot use "${url}": digest mismatch ${digestOf('content')}: ${digestOf('other')}`,
    )
    await get(digestOf('content'))
    expect(server.requests).toHaveLength(1)
    const long = (text: string) => digestOf(text, 'sha512')
    await get(long('content'))
    await expect(get(long('other'))).rejects.toThrow(`digest mismatch ${long('content')}: ${long('other')}`)
  })

  test.each([404, 403, 501])('answers status %i at once', async (status) => {
    await using server = await startFileServer()
    await using sources = testSources()
    server.files.set('/a', (_request, response) => response.writeHead(status).end('page'))
    await expect(download({ url: `${server.url}/a` }, sources.services, sources.job)).rejects.toThrow(
      `Cannot download "${server.url}/a": invalid response status ${status}`,
    )
    expect(server.requests).toHaveLength(1)
    expect(readdirSync(sources.services.directory())).toEqual([])
  })

  test('tries again after 503 and after a connection that breaks in the middle', async () => {
    await using server = await startFileServer()
    await using sources = testSources()
    server.files.set('/a', (_request, response) => {
      if (server.requests.length === 1) response.writeHead(503).end()
      else if (server.requests.length === 2) {
        response.writeHead(200, { 'content-length': '100' }).write('half')
        setTimeout(() => response.destroy(), 20)
      } else response.end('whole')
    })
    const { path } = await download({ url: `${server.url}/a` }, sources.services, sources.job)
    expect(readFileSync(path, 'utf8')).toBe('whole')
    expect(server.requests).toHaveLength(3)
    expect(readdirSync(sources.services.downloads)).toHaveLength(2)
  })

  test.each([
    ['loops', '/a', /more than 10 redirects/],
    ['leads to a file', 'file:///etc/passwd', /it redirects to "file:\/\/\/etc\/passwd"/],
  ])('refuses a redirect that %s', async (_name, location, message) => {
    await using server = await startFileServer()
    await using sources = testSources()
    server.files.set('/a', (_request, response) => response.writeHead(302, { location }).end())
    await expect(download({ url: `${server.url}/a` }, sources.services, sources.job)).rejects.toThrow(message)
  })

  test('goes through the proxy that the environment names', async () => {
    await using server = await startFileServer()
    server.files.set('http://files.example/a', 'through the proxy')
    await using sources = testSources({ http_proxy: server.url })
    const { path } = await download({ url: 'http://files.example/a' }, sources.services, sources.job)
    expect(readFileSync(path, 'utf8')).toBe('through the proxy')
  })

  test('stops when the job is aborted', async () => {
    await using server = await startFileServer()
    await using sources = testSources()
    const stop = new AbortController()
    server.files.set('/a', (_request, response) => {
      response.write('begin')
      setTimeout(() => stop.abort(new Error('stop')), 20)
    })
    const job = { ...sources.job, signal: stop.signal }
    await expect(download({ url: `${server.url}/a` }, sources.services, job)).rejects.toThrow('stop')
    expect(readdirSync(sources.services.downloads)).toEqual([])
  })
})

describe('openContext() of a URL', () => {
  const open = (services: SourceServices, url: string, job: Parameters<typeof openContext>[2]) =>
    openContext({ type: 'http', url }, services, job)

  test('has a file that is no archive under its name', async () => {
    await using server = await startFileServer()
    await using sources = testSources()
    server.files.set('/dir/tool', 'tool')
    const { root } = await open(sources.services, `${server.url}/dir/tool?x=1`, sources.job)
    expect(readdirSync(root)).toEqual(['tool'])
  })
})

test('download() sends the token of a secret to its host, and not on to another', async () => {
  await using server = await startFileServer()
  const { host, port } = new URL(server.url)
  await using sources = testSources({ [`HTTP_AUTH_TOKEN_${host}`]: 'mine' })
  const seen: (string | undefined)[] = []
  server.files.set('/private', (request, response) => {
    seen.push(request.headers.authorization)
    response.writeHead(302, { location: `http://localhost:${port}/storage` }).end()
  })
  server.files.set('/storage', (request, response) => {
    seen.push(request.headers.authorization)
    response.end('content')
  })
  await download({ url: `${server.url}/private` }, sources.services, sources.job)
  expect(seen).toEqual(['Bearer mine', undefined])
})
