import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/index.ts'
import { createTransport, requireReach } from '../../../src/registry/index.ts'
import {
  canCheckOut,
  canDownload,
  checkOut,
  download,
  parseGitUrl,
  resolveCommit,
  type SourceServices,
} from '../../../src/sources/index.ts'
import { mustRun } from '../../support/command.ts'
import { startFileServer } from '../../support/file-server.ts'
import { startGitServer } from '../../support/git-server.ts'
import { testSources } from '../../support/source-services.ts'

/** The same services, where only these hosts may be connected to. */
function limited(services: SourceServices, allowedHosts: readonly string[]): SourceServices {
  const { environment } = services
  const options = { environment, allowedHosts }
  return {
    ...services,
    http: createTransport({ ...options, insecureRegistries: [], stallMs: 5000 }),
    requireReach: (url) => requireReach(url, options),
  }
}

const OFFLINE = { code: 'ERR_OSSB_OFFLINE' }

describe('download() where hosts are limited', () => {
  test('asks nobody, and takes what an earlier download left', async () => {
    await using sources = testSources()
    await using server = await startFileServer()
    server.files.set('/a', 'a\n')
    const what = { url: `${server.url}/a` }
    const offline = limited(sources.services, [])
    expect(await canDownload(what, offline)).toBe(false)
    await expect(download(what, offline, sources.job)).rejects.toMatchObject(OFFLINE)
    expect(server.requests).toEqual([])

    await download(what, sources.services, sources.job)
    server.files.set('/a', 'changed\n')
    expect(await canDownload(what, offline)).toBe(true)
    expect(await readFile((await download(what, offline, sources.job)).path, 'utf8')).toBe('a\n')
    await expect(
      download({ ...what, checksum: digestOf('changed\n') }, offline, sources.job),
    ).rejects.toMatchObject({ code: 'ERR_OSSB_INTEGRITY' })
    expect(server.requests).toHaveLength(1)
  })

  test('asks a host that is allowed, and follows it to no other', async () => {
    await using sources = testSources()
    await using server = await startFileServer()
    await using other = await startFileServer()
    other.files.set('/b', 'b\n')
    server.files.set('/a', 'a\n')
    server.files.set('/b', (_request, response) =>
      response.writeHead(307, { location: `${other.url}/b` }).end(),
    )
    const services = limited(sources.services, [new URL(server.url).host])
    expect(
      await readFile((await download({ url: `${server.url}/a` }, services, sources.job)).path, 'utf8'),
    ).toBe('a\n')
    await expect(download({ url: `${server.url}/b` }, services, sources.job)).rejects.toMatchObject(OFFLINE)
    expect(server.requests).toEqual(['GET /a', 'GET /b'])
    expect(other.requests).toEqual([])
  })

  test('takes what was gathered, and checks it', async () => {
    await using sources = testSources()
    const services = (text: string): SourceServices => ({
      ...limited(sources.services, []),
      gathered: {
        repository: () => undefined,
        file: (url) =>
          url === 'https://h/f'
            ? {
                digest: digestOf('content'),
                size: 7,
                modified: 12,
                open: () => Promise.resolve(Readable.from([Buffer.from(text)])),
              }
            : undefined,
      },
    })
    const file = await download({ url: 'https://h/f' }, services('content'), sources.job)
    expect([await readFile(file.path, 'utf8'), file.modified]).toEqual(['content', 12])
    await expect(
      download({ url: 'https://h/f', checksum: digestOf('x') }, services('content'), sources.job),
    ).rejects.toMatchObject({ code: 'ERR_OSSB_INTEGRITY' })
    await expect(download({ url: 'https://h/g' }, services('content'), sources.job)).rejects.toMatchObject(
      OFFLINE,
    )
  })
})

describe('git where hosts are limited', () => {
  test.each(['git://127.0.0.1:9/r', 'ssh://git@127.0.0.1/r', 'git@127.0.0.1:r', 'https://127.0.0.1:9/r.git'])(
    'is not run for %s',
    async (url) => {
      const directory = await mkdtemp(join(tmpdir(), 'ossb-git-ran-'))
      await writeFile(join(directory, 'git'), `#!/bin/sh\n: > ${directory}/ran\n`, { mode: 0o755 })
      await using sources = testSources({ PATH: `${directory}:${process.env['PATH'] ?? ''}` })
      const services = limited(sources.services, url.startsWith('https') ? ['other'] : ['127.0.0.1'])
      const source = parseGitUrl(url)
      expect(canCheckOut(source, services)).toBe(false)
      await expect(resolveCommit(source, services, sources.job)).rejects.toMatchObject(OFFLINE)
      expect(existsSync(join(directory, 'ran'))).toBe(false)
      await rm(directory, { recursive: true })
    },
  )

  test('follows neither what the configuration of the user makes of a URL, nor its proxy', async () => {
    await using sources = testSources()
    const home = sources.services.environment['HOME'] ?? ''
    const source = parseGitUrl('https://allowed.test/r.git')
    await writeFile(
      join(home, '.gitconfig'),
      '[url "https://other.test/"]\n\tinsteadOf = https://allowed.test/\n',
    )
    await expect(
      resolveCommit(source, limited(sources.again(), ['allowed.test']), sources.job),
    ).rejects.toThrow('Cannot connect to "other.test"')
    await writeFile(join(home, '.gitconfig'), '[http]\n\tproxy = http://proxy.test:3128\n')
    await expect(
      resolveCommit(source, limited(sources.again(), ['allowed.test']), sources.job),
    ).rejects.toThrow('Cannot connect to "proxy.test:3128"')
  })

  test('goes to a host that is allowed, to its submodules there, and to no others', async () => {
    await using git = await startGitServer()
    await using server = await startFileServer()
    await git.create('inner')
    await git.commit('inner', { inner: 'inner\n' })
    await git.create('outer')
    const add = ['-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add']
    await git.git('outer', ...add, '../inner', 'inner')
    await git.commit('outer', { outer: 'outer\n' })
    await git.create('far')
    await git.git('far', ...add, '../inner', 'inner')
    await git.git(
      'far',
      'config',
      '--file',
      '.gitmodules',
      'submodule.inner.url',
      'http://127.0.0.2:9/inner.git',
    )
    await git.commit('far', {})
    await serveDumb(git, server, ['inner', 'outer', 'far'])
    await using sources = testSources()
    const services = limited(sources.services, [new URL(server.url).host])
    const { root } = await checkOut(parseGitUrl(`${server.url}/outer.git`), services, sources.job)
    expect(await readFile(join(root, 'inner/inner'), 'utf8')).toBe('inner\n')
    await expect(checkOut(parseGitUrl(`${server.url}/far.git`), services, sources.job)).rejects.toThrow(
      'Cannot connect to "127.0.0.2:9"',
    )
  })
})

/** Serves repositories over HTTP as plain files, which git takes as well. */
async function serveDumb(
  git: Awaited<ReturnType<typeof startGitServer>>,
  server: Awaited<ReturnType<typeof startFileServer>>,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    await git.git(name, 'update-server-info')
    const directory = join(await git.git(name, 'rev-parse', '--absolute-git-dir'))
    const listed = await mustRun('find', [directory, '-type', 'f', '-printf', '%P\\n'])
    for (const path of listed.trim().split('\n')) {
      const content = await readFile(join(directory, path))
      server.files.set(`/${name}.git/${path}`, content)
      server.files.set(`/${name}/${path}`, content)
    }
  }
}
