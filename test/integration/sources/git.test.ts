import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkOut, type GitSource, parseGitUrl, resolveCommit } from '../../../src/sources/index.ts'
import { mustRun } from '../../support/command.ts'
import { startFileServer } from '../../support/file-server.ts'
import { type GitServer, startGitServer } from '../../support/git-server.ts'
import { testSources } from '../../support/source-services.ts'

let server: GitServer
const commits = { first: '', second: '', dev: '', tagObject: '' }

beforeAll(async () => {
  server = await startGitServer()
  await server.create('lib')
  await server.commit('lib', { 'lib.txt': 'library\n' })
  await server.create('app')
  await server.commit('app', { 'a.txt': 'zero\n' })
  await server.commit('app', { 'run.sh': '#!/bin/sh\n' })
  await mustRun('chmod', ['+x', join(await server.git('app', 'rev-parse', '--show-toplevel'), 'run.sh')])
  commits.first = await server.commit('app', { 'a.txt': 'one\n', 'dir/sub/b.txt': 'deep\n' })
  await server.git('app', 'tag', 'light')
  await server.git('app', 'tag', '--annotate', '--message=v1', 'v1')
  commits.tagObject = await server.git('app', 'rev-parse', 'refs/tags/v1')
  await server.git('app', 'checkout', '--quiet', '-b', 'dev')
  commits.dev = await server.commit('app', { 'a.txt': 'dev\n' })
  await server.git('app', 'checkout', '--quiet', 'main')
  await server.git('app', 'submodule', '--quiet', 'add', '../lib', 'deps/lib').catch(async () => {
    await server.git(
      'app',
      '-c',
      'protocol.file.allow=always',
      'submodule',
      '--quiet',
      'add',
      '../lib',
      'deps/lib',
    )
  })
  commits.second = await server.commit('app', { 'a.txt': 'two\n' })
})
afterAll(() => server[Symbol.asyncDispose]())

const source = (text: string): GitSource => parseGitUrl(`${server.url}/app${text}`)
const filesIn = (root: string): string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((name) => !name.startsWith('.git/'))
    .sort()

describe('checkOut()', () => {
  test.each<[string, string]>([
    ['', 'two\n'],
    ['#main', 'two\n'],
    ['#refs/heads/main', 'two\n'],
    ['#heads/main', 'two\n'],
    ['#dev', 'dev\n'],
    ['?branch=dev', 'dev\n'],
    ['#v1', 'one\n'],
    ['?tag=v1', 'one\n'],
    ['#refs/tags/light', 'one\n'],
    ['#HEAD', 'two\n'],
  ])('of "%s" has the files of that ref', async (text, content) => {
    await using sources = testSources()
    const { root } = await checkOut(source(text), sources.services, sources.job)
    expect(readFileSync(join(root, 'a.txt'), 'utf8')).toBe(content)
    expect(readdirSync(root)).not.toContain('.git')
  })

  test.each(['first', 'dev'] as const)(
    'of a commit that only a history leads to, or a branch: %s',
    async (name) => {
      await using sources = testSources()
      const { root } = await checkOut(source(`#${commits[name]}`), sources.services, sources.job)
      expect(readFileSync(join(root, 'a.txt'), 'utf8')).toBe(name === 'first' ? 'one\n' : 'dev\n')
    },
  )

  test('has the files of submodules, whose names are relative, and no .git file', async () => {
    await using sources = testSources()
    const { root } = await checkOut(source(''), sources.services, sources.job)
    expect(filesIn(root)).toEqual(['.gitmodules', 'a.txt', 'deps/lib/lib.txt', 'dir/sub/b.txt', 'run.sh'])
    const without = await checkOut(source('?submodules=false'), sources.services, sources.job)
    expect(filesIn(without.root)).not.toContain('deps/lib/lib.txt')
  })

  test('gives modes that do not depend on the umask or the configuration of the user', async () => {
    await using sources = testSources()
    const services = sources.again({
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'core.autocrlf',
      GIT_CONFIG_VALUE_0: 'true',
      GIT_DIR: '/nonexistent',
    })
    const old = process.umask(0o077)
    try {
      const { root } = await checkOut(source(''), services, sources.job)
      expect(statSync(join(root, 'a.txt')).mode & 0o7777).toBe(0o644)
      expect(statSync(join(root, 'run.sh')).mode & 0o7777).toBe(0o755)
      expect(statSync(join(root, 'dir/sub')).mode & 0o7777).toBe(0o755)
      expect(readFileSync(join(root, 'a.txt'), 'utf8')).toBe('two\n')
    } finally {
      process.umask(old)
    }
  })

  test('of a directory has that alone', async () => {
    await using sources = testSources()
    const { root } = await checkOut(source('#v1:dir'), sources.services, sources.job)
    expect(filesIn(root)).toEqual(['sub/b.txt'])
    await expect(checkOut(source('#:none'), sources.services, sources.job)).rejects.toThrow(
      `Cannot use "${server.url}/app": it has no directory "none"`,
    )
    await expect(checkOut(source('#:a.txt'), sources.services, sources.job)).rejects.toThrow(
      'no directory "a.txt"',
    )
  })

  test('with keep-git-dir is a repository at that commit', async () => {
    await using sources = testSources()
    const { root } = await checkOut(source('?keep-git-dir=1#dev'), sources.services, sources.job)
    const git = async (...args: string[]): Promise<string> =>
      (await mustRun('git', ['-C', root, ...args])).trim()
    expect(await git('rev-parse', 'HEAD')).toBe(commits.dev)
    expect(await git('status', '--porcelain')).toBe('')
    expect(await git('remote', 'get-url', 'origin')).toBe(`${server.url}/app`)
    expect(await git('rev-list', '--count', 'HEAD')).toBe('1')
  })

  test('with mtime=commit dates all files by the commit', async () => {
    await using sources = testSources()
    const { root } = await checkOut(source('?mtime=commit'), sources.services, sources.job)
    for (const name of ['', 'a.txt', 'dir', 'dir/sub/b.txt'])
      expect(lstatSync(join(root, name)).mtimeMs).toBe(Date.parse('2020-01-02T03:04:05Z'))
  })

  test('a link in a repository does not lead a subdirectory out of it', async () => {
    await using sources = testSources()
    await server.create('links')
    await mustRun('ln', [
      '-s',
      '/etc',
      join(await server.git('links', 'rev-parse', '--show-toplevel'), 'out'),
    ])
    await server.commit('links', { file: 'x' })
    const links = parseGitUrl(`${server.url}/links#:out`)
    await expect(checkOut(links, sources.services, sources.job)).rejects.toThrow('no directory "out"')
  })

  test('runs no hook and no helper that a repository or the user configures', async () => {
    await using sources = testSources()
    const services = sources.again({
      GIT_CONFIG_COUNT: '2',
      GIT_CONFIG_KEY_0: 'core.hooksPath',
      GIT_CONFIG_VALUE_0: sources.services.directory(),
      GIT_CONFIG_KEY_1: 'protocol.ext.allow',
      GIT_CONFIG_VALUE_1: 'always',
    })
    await server.create('hostile')
    const marker = join(sources.services.directory(), 'marker')
    await server.commit('hostile', {
      '.gitmodules': `[submodule "x"]\n\tpath = x\n\turl = "ext::sh -c touch% ${marker}"\n`,
    })
    const head = await server.git('hostile', 'rev-parse', 'HEAD')
    await server.git('hostile', 'update-index', '--add', '--cacheinfo', `160000,${head},x`)
    await server.git('hostile', 'commit', '--quiet', '--message=link')
    const hostile = parseGitUrl(`${server.url}/hostile`)
    await expect(checkOut(hostile, services, sources.job)).rejects.toThrow(/transport 'ext' not allowed/)
    expect(lstatSync(marker, { throwIfNoEntry: false })).toBeUndefined()
  })

  test('stops when the job is aborted', async () => {
    await using sources = testSources()
    const stop = new AbortController()
    const work = checkOut(source(''), sources.services, { ...sources.job, signal: stop.signal })
    stop.abort(new Error('stop'))
    await expect(work).rejects.toThrow('stop')
  })
})

describe('resolveCommit()', () => {
  test('answers the commit that a ref names, also through an annotated tag', async () => {
    await using sources = testSources()
    const resolve = (text: string) => resolveCommit(source(text), sources.again(), sources.job)
    expect(await resolve('')).toBe(commits.second)
    expect(await resolve('#dev')).toBe(commits.dev)
    expect(await resolve('#v1')).toBe(commits.first)
  })

  test('takes the beginning of a commit or of a tag object for a checksum', async () => {
    await using sources = testSources()
    const resolve = (text: string) => resolveCommit(source(text), sources.again(), sources.job)
    expect(await resolve(`?checksum=${commits.first.slice(0, 10)}#v1`)).toBe(commits.first)
    expect(await resolve(`?checksum=${commits.tagObject}#v1`)).toBe(commits.first)
    expect(await resolve(`?checksum=${commits.first}&fetch-by-commit=1#main`)).toBe(commits.first)
    await expect(resolve(`?checksum=${commits.first}#main`)).rejects.toThrow(
      `expected checksum to match ${commits.first}, got ${commits.second}`,
    )
  })

  test('means one commit by a ref for a whole build', async () => {
    await using sources = testSources()
    await server.create('moving')
    const old = await server.commit('moving', { file: 'old' })
    const moving = parseGitUrl(`${server.url}/moving`)
    expect(await resolveCommit(moving, sources.services, sources.job)).toBe(old)
    await server.commit('moving', { file: 'new' })
    const { root } = await checkOut(moving, sources.services, sources.job)
    expect(readFileSync(join(root, 'file'), 'utf8')).toBe('old')
  })

  test.each([
    ['app#nothing', /repository does not contain ref "nothing"/],
    [`app#${'1'.repeat(40)}`, /upload-pack: not our ref 1{40}|does not contain commit 1{40}/],
    [
      'none',
      /Cannot fetch "git:.*\/none": fatal: remote error: access denied or repository not exported: \/none/,
    ],
  ])('checkOut() of %s says why not', async (text, message) => {
    await using sources = testSources()
    const work = checkOut(parseGitUrl(`${server.url}/${text}`), sources.services, sources.job)
    await expect(work).rejects.toThrow(message)
  })

  test('says that there is no git', async () => {
    await using sources = testSources({ PATH: '/nonexistent' })
    await expect(resolveCommit(source(''), sources.services, sources.job)).rejects.toThrow(
      `Cannot fetch "${server.url}/app": there is no git on this machine`,
    )
  })
})

test('resolveCommit() shows the token of a secret to the host of the repository', async () => {
  await using files = await startFileServer()
  const seen: (string | undefined)[] = []
  files.files.set('/private.git/info/refs', (request, response) => {
    seen.push(request.headers.authorization)
    response.writeHead(404).end()
  })
  await using sources = testSources({ GIT_AUTH_TOKEN: 'mine', GIT_CONFIG_NOSYSTEM: '1' })
  const source = parseGitUrl(`${files.url}/private.git`)
  await expect(resolveCommit(source, sources.services, sources.job)).rejects.toThrow(/not found/)
  expect(seen[0]).toBe(`Basic ${Buffer.from('x-access-token:mine').toString('base64')}`)
})

test('checkOut() tells when the commit was made', async () => {
  await using sources = testSources()
  const { time } = await checkOut(source(''), sources.services, sources.job)
  expect(new Date(time * 1000).toISOString()).toBe('2020-01-02T03:04:05.000Z')
})
