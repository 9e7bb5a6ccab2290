import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { startFileServer } from '../support/file-server.ts'
import { startGitServer } from '../support/git-server.ts'
import { identities } from '../support/identity.ts'
import { readProgress } from '../support/progress.ts'
import { createWorkspace, type OssbOptions, type Workspace } from '../support/workspace.ts'

const base = await miniBase()
const COMPRESSIONS = ['cat', 'gzip', 'bzip2', 'xz', 'zstd -q']

/** Builds the files of the last stage into a new directory, and lists them with their content. */
async function filesOf(
  workspace: Workspace,
  args: readonly string[],
  options?: OssbOptions,
): Promise<Record<string, string>> {
  const name = `out-${readdirSync(workspace.path).length}`
  await workspace.mustOssb(['build', '-o', `type=local,dest=${name}`, ...args], options)
  const root = workspace.file(name)
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Object.fromEntries(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(root.length + 1), readFileSync(path, 'utf8')] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** A tar archive of a directory of the workspace. */
function tarOf(workspace: Workspace, directory: string, compress = 'cat'): Buffer {
  const script = `tar --sort=name --owner=4321 --group=4321 -C "$1" -cf - . | ${compress}`
  return execFileSync('sh', ['-c', script, 'sh', workspace.file(directory)], { maxBuffer: 1e8 })
}

const SCRATCH = 'FROM scratch\nCOPY . /\n'

describe.each(await identities())('as $name', (identity) => {
  test('a tar archive on standard input is the context, however it is compressed', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': SCRATCH, 'app/dir/a': 'a\n', 'app/.dockerignore': 'dir\n' })
    const expected = { '.dockerignore': 'dir\n', Dockerfile: SCRATCH, 'dir/a': 'a\n' }
    for (const compress of COMPRESSIONS) {
      const input = tarOf(workspace, 'app', compress)
      expect(await filesOf(workspace, ['-'], { input }), compress).toEqual(expected)
    }
    expect(await workspace.leftovers()).toEqual([])
  })

  test('-f names a file in a context that is an archive, and one of the machine when it is absolute', async () => {
    await using workspace = await createWorkspace(identity)
    const other = 'FROM scratch\nCOPY a /other\n'
    await workspace.write({
      'app/sub/Other': other,
      'app/a': 'a\n',
      outside: 'FROM scratch\nCOPY a /outside\n',
    })
    await workspace.fill('archives', async () => {})
    const input = tarOf(workspace, 'app', 'xz')
    expect(await filesOf(workspace, ['-f', 'sub/Other', '-'], { input })).toEqual({ other: 'a\n' })
    expect(await filesOf(workspace, ['-f', workspace.file('outside'), '-'], { input })).toEqual({
      outside: 'a\n',
    })
    await using server = await startFileServer()
    server.files.set('/app.txz', input)
    expect(await filesOf(workspace, ['-f', 'sub/Other', `${server.url}/app.txz`])).toEqual({ other: 'a\n' })
    const missing = await workspace.ossb(['build', '-'], { input })
    expect(missing.stderr).toContain(
      'Cannot find the Dockerfile: there is no "Dockerfile" in the build context',
    )
  })

  test('a Dockerfile on standard input has an empty context, and its lines are shown', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ Dockerfile: 'FROM scratch\nRUN of another file\n' })
    const input = 'FROM scratch\nCOPY . /\nCOPY <<x /x\ntext\nx\n'
    expect(await filesOf(workspace, ['-'], { input })).toEqual({ x: 'text\n' })
    const failed = await workspace.ossb(['build', '-'], { input: 'FROM scratch\nCOPY none /\n' })
    expect(failed.status).toBe(1)
    expect(failed.stderr).toContain('   2 | >>> COPY none /')
    expect(failed.stderr).not.toContain('another file')
  })

  test.each<[string, string[], string, string]>([
    [
      '-f with a Dockerfile on standard input',
      ['-f', 'D', '-'],
      'FROM scratch\n',
      'ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles',
    ],
    [
      '-f - with a context on standard input',
      ['-f', '-', '-'],
      '',
      "invalid argument: can't use stdin for both build context and dockerfile",
    ],
    [
      'neither an archive nor a Dockerfile',
      ['-'],
      'a\0b',
      'Cannot use standard input as the build context: it is neither a tar archive nor a Dockerfile',
    ],
    [
      'a file that is no archive',
      ['words'],
      '',
      'Cannot use "words" as a build context: it is no tar archive',
    ],
    [
      'an image as the main context',
      ['docker-image://alpine'],
      '',
      'Cannot use the image "alpine" as the build context',
    ],
    [
      'a reserved name',
      ['--build-context', 'scratch=.', '.'],
      '',
      'Cannot use "scratch" as the name of a context',
    ],
    [
      'a git URL with a wrong query',
      ['https://h/b.git?x=1'],
      '',
      'Cannot use "https://h/b.git?x=1": unexpected query "x"',
    ],
  ])('refuses %s', async (_name, args, input, message) => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ words: 'some words\n', D: 'FROM scratch\n', Dockerfile: 'FROM scratch\n' })
    const result = await workspace.ossb(['build', ...args], { input })
    expect(result.stderr).toContain(`ERROR: ${message}`)
    expect(result.status).toBeGreaterThan(0)
    expect(await workspace.leftovers()).toEqual([])
  })

  test('a git repository is a context: a branch, a directory, its own Dockerfile, and no .git', async () => {
    await using workspace = await createWorkspace(identity)
    await using server = await startGitServer()
    await server.create('app')
    await server.commit('app', { Dockerfile: SCRATCH, a: 'a\n', 'sub/Dockerfile': SCRATCH, 'sub/b': 'b\n' })
    const url = `${server.url}/app`
    expect(await filesOf(workspace, [`${url}#main:sub`])).toEqual({ Dockerfile: SCRATCH, b: 'b\n' })
    expect(Object.keys(await filesOf(workspace, [url]))).toEqual([
      'Dockerfile',
      'a',
      'sub/Dockerfile',
      'sub/b',
    ])
    const kept = await filesOf(workspace, ['--build-arg', 'BUILDKIT_CONTEXT_KEEP_GIT_DIR=1', url])
    expect(Object.keys(kept)).toContain('.git/HEAD')
    expect(await workspace.leftovers()).toEqual([])
  })

  test('ADD of a repository takes its files, and fetches nothing where the commit was used before', async () => {
    await using workspace = await createWorkspace(identity)
    await using server = await startGitServer()
    await server.create('lib')
    const first = await server.commit('lib', { 'dir/a': '1\n' })
    await workspace.write({
      'app/Dockerfile': `FROM scratch\nADD --chown=7:8 ${server.url}/lib#main /src/\nADD --checksum=${first} --keep-git-dir ${server.url}/lib#${first}:dir /dir\n`,
    })
    const build = async (): Promise<string[]> => {
      const { stderr } = await workspace.mustOssb(['build', '--progress', 'json', 'app'])
      return readProgress(stderr).completed.filter((name) => /ADD|git:/.test(name))
    }
    expect(await filesOf(workspace, ['app'])).toEqual({ 'dir/a': '1\n', 'src/dir/a': '1\n' })
    expect(await build()).toEqual([])
    await server.commit('lib', { 'dir/a': '2\n' })
    expect(await build()).toEqual(expect.arrayContaining([expect.stringContaining('#main')]))
    expect(await filesOf(workspace, ['app'])).toEqual({ 'dir/a': '1\n', 'src/dir/a': '2\n' })
    await workspace.write({
      'app/Dockerfile': `FROM scratch\nADD --checksum=${'1'.repeat(40)} ${server.url}/lib /src/\n`,
    })
    const refused = await workspace.ossb(['build', 'app'])
    expect(refused.stderr).toMatch(
      />>> ADD --checksum[\s\S]*expected checksum to match 1{40}, got [0-9a-f]{40}/,
    )
    expect(await workspace.leftovers()).toEqual([])
  })

  test('ADD of URLs: names, modes, times, checksums and archives', async () => {
    await using workspace = await createWorkspace(identity)
    await using server = await startFileServer()
    await workspace.write({ 'tree/in/side': 'in an archive\n' })
    server.files.set('/dir/a', (_request, response) => response.setHeader('etag', '"1"').end('a\n'))
    server.files.set('/', 'index\n')
    server.files.set('/tree.tar.bz2', tarOf(workspace, 'tree', 'bzip2'))
    await workspace.write({
      'app/Dockerfile': `FROM scratch
ADD ${server.url}/dir/a?query=1 /into/
ADD --chmod=755 ${server.url}/dir/a /named
ADD ${server.url} /unnamed/
ADD --unpack=true ${server.url}/tree.tar.bz2 /tree
ADD ${server.url}/tree.tar.bz2 /packed/
`,
    })
    const files = await filesOf(workspace, ['app'])
    expect(Object.keys(files)).toEqual([
      'into/a',
      'named',
      'packed/tree.tar.bz2',
      'tree/in/side',
      'unnamed/__unnamed__',
    ])
    const out = workspace.file(readdirSync(workspace.path).find((name) => name.startsWith('out')) ?? '')
    expect(statSync(join(out, 'into/a'))).toMatchObject({ mode: 0o100600, mtimeMs: 0 })
    expect(statSync(join(out, 'named')).mode).toBe(0o100755)
    server.requests.length = 0
    await workspace.mustOssb(['build', 'app'])
    expect(server.requests).toContain('GET /dir/a if "1"')
    await workspace.write({
      'app/Dockerfile': `FROM scratch\nADD --checksum=sha256:${'0'.repeat(64)} ${server.url}/dir/a /\n`,
    })
    const refused = await workspace.ossb(['build', 'app'])
    expect(refused.stderr).toMatch(/digest mismatch sha256:[0-9a-f]{64}: sha256:0{64}/)
    await workspace.write({ 'app/Dockerfile': `FROM scratch\nADD ${server.url}/none /\n` })
    expect((await workspace.ossb(['build', 'app'])).stderr).toContain('invalid response status 404')
    expect(await workspace.leftovers()).toEqual([])
  })

  test('ADD unpacks local archives by their content, however they are compressed', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'tree/in/side': 'in an archive\n', 'app/plain.gz': 'not compressed\n' })
    const lines = ['FROM scratch', 'ADD plain.gz /']
    for (const [i, compress] of COMPRESSIONS.entries()) {
      await workspace.fill(`archive${i}`, async () => {})
      lines.push(`ADD --chown=7:8 archive${i} /${i}`, `ADD --unpack=false archive${i} /packed${i}`)
      execFileSync('sh', [
        '-c',
        `tar -C "$1" -cf - . | ${compress} > "$2"`,
        'sh',
        workspace.file('tree'),
        workspace.file(`app/archive${i}`),
      ])
    }
    await workspace.write({ 'app/Dockerfile': `${lines.join('\n')}\n` })
    const files = await filesOf(workspace, ['app'])
    for (const i of COMPRESSIONS.keys()) expect(files[`${i}/in/side`]).toBe('in an archive\n')
    expect(Object.keys(files)).toEqual(expect.arrayContaining(COMPRESSIONS.map((_, i) => `packed${i}`)))
    expect(files['plain.gz']).toBe('not compressed\n')
  })

  test('the Dockerfile and the context come from URLs', async () => {
    await using workspace = await createWorkspace(identity)
    await using server = await startFileServer()
    await workspace.write({ 'app/a': 'a\n' })
    server.files.set('/Dockerfile.alone', 'FROM scratch\nCOPY <<x /x\nalone\nx\n')
    server.files.set('/Dockerfile.copy', SCRATCH)
    expect(await filesOf(workspace, [`${server.url}/Dockerfile.alone`])).toEqual({ x: 'alone\n' })
    expect(await filesOf(workspace, ['-f', `${server.url}/Dockerfile.copy`, 'app'])).toEqual({ a: 'a\n' })
  })

  test('--build-context stands for stages and images: directories, archives, URLs, repositories, images', async () => {
    await using workspace = await createWorkspace(identity)
    await using server = await startFileServer()
    await using repositories = await startGitServer()
    await repositories.create('r')
    await repositories.commit('r', { r: 'from git\n' })
    await workspace.write({
      'app/Dockerfile': `FROM alpine:3 AS base
RUN this is not run
FROM debian
COPY --from=base /etc/passwd /from-image
COPY --from=dir . /dir/
COPY --from=tar /in /tar/
COPY --from=url /page /url/
COPY --from=git r /git/
COPY --from=registry.example/team/tool /tool /tool
RUN --mount=from=dir,target=/mnt cat /mnt/shown > /from-mount
`,
      'dir/shown': 'shown\n',
      'dir/hidden': 'hidden\n',
      'dir/.dockerignore': 'hidden\n.dockerignore\n',
      'tree/in': 'from a tar\n',
      'tool/tool': 'a tool\n',
      unused: 'not even an archive\n',
    })
    await workspace.fill('tars', async (directory) => {
      execFileSync('tar', ['-C', workspace.file('tree'), '-czf', join(directory, 'tree.tgz'), '.'])
    })
    server.files.set('/page', 'from http\n')
    const contexts = {
      base: `oci-layout://${base}:base`,
      'debian::linux/amd64': `oci-layout://${base}:base`,
      'debian::linux/arm64': `oci-layout://${base}:base`,
      dir: 'dir',
      tar: 'tars/tree.tgz',
      url: `${server.url}/page`,
      git: `${repositories.url}/r`,
      'registry.example/team/tool:latest': 'tool',
      unused: 'unused',
    }
    const flags = Object.entries(contexts).flatMap(([name, value]) => ['--build-context', `${name}=${value}`])
    const files = await filesOf(workspace, [...flags, 'app'])
    expect(files).toMatchObject({
      'dir/shown': 'shown\n',
      'tar/in': 'from a tar\n',
      'url/page': 'from http\n',
      'git/r': 'from git\n',
      tool: 'a tool\n',
      'from-mount': 'shown\n',
    })
    expect(files['from-image']).toContain('root:')
    expect(Object.keys(files).filter((name) => name.startsWith('dir/'))).toEqual(['dir/shown'])
    expect(await workspace.leftovers()).toEqual([])
  })

  test('FROM a context of files is an image of these files alone', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({
      'app/Dockerfile': 'FROM files\nCOPY b /b\n',
      'app/b': 'b\n',
      'files/dir/a': 'a\n',
    })
    expect(await filesOf(workspace, ['--build-context', 'files=files', 'app'])).toEqual({
      b: 'b\n',
      'dir/a': 'a\n',
    })
  })
})
