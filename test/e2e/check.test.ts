import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { startFileServer } from '../support/file-server.ts'
import { startGitServer } from '../support/git-server.ts'
import { identities } from '../support/identity.ts'
import { createWorkspace, type OssbOptions } from '../support/workspace.ts'

const DOCKERFILE = `# VERSION what to build
ARG VERSION=1
FROM nowhere.invalid/base:\${VERSION} AS Base
COPY secret.txt \${DIRECTORY:-/app}/
RUN --mount=type=secret,id=token,required true
# app the program
FROM base AS app
CMD run
`

describe.each(await identities())('as $name', (identity) => {
  test('ossb build --check and --call need no namespace, no network and no base image', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': DOCKERFILE, 'app/.dockerignore': 'secret.*\n' })
    const check = await workspace.ossb(['build', '--executor', 'container', '--check', 'app'])
    expect(check.status).toBe(1)
    expect(check.stdout).toContain('Check complete, 4 warnings have been found!\n')
    expect(check.stdout.match(/^WARNING: \w+/gm)).toEqual([
      'WARNING: StageNameCasing',
      'WARNING: UndefinedVar',
      'WARNING: CopyIgnoredFile',
      'WARNING: JSONArgsRecommended',
    ])
    expect(check.stderr).toContain('nowhere.invalid/base:1')
    const outline = await workspace.mustOssb(['build', '--call=outline', 'app'])
    expect(outline.stdout).toBe(
      [
        'TARGET:      app',
        'DESCRIPTION: the program',
        '',
        'BUILD ARG   VALUE   DESCRIPTION',
        'VERSION     1       what to build',
        '',
        'SECRET   REQUIRED',
        'token    true',
        '',
        '',
      ].join('\n'),
    )
    const targets = await workspace.mustOssb(['build', '--call=targets', 'app'])
    expect(targets.stdout).toBe(
      'TARGET          DESCRIPTION\nbase            \napp (default)   the program\n',
    )
    expect(await workspace.leftovers()).toEqual([])
  })

  test('--check and --call find the Dockerfile in every context that a build takes', async () => {
    await using workspace = await createWorkspace(identity)
    await using files = await startFileServer()
    await using repositories = await startGitServer()
    const text = (name: string) => `FROM other AS ${name}\nCOPY a /\n`
    await workspace.write({ 'app/Dockerfile': text('plain'), 'app/sub/Other': text('other') })
    const archive = (compress: string) =>
      execFileSync('sh', ['-c', `tar -C "$1" --owner=7 -cf - . | ${compress}`, 'sh', workspace.file('app')])
    await workspace.fill('tars', async (directory) => {
      execFileSync('tar', ['-C', workspace.file('app'), '-cJf', `${directory}/app.tar.xz`, '.'])
    })
    files.files.set('/app.tgz', archive('gzip'))
    files.files.set('/Dockerfile', text('served'))
    await repositories.create('repository')
    await repositories.commit('repository', { 'dir/Dockerfile': text('cloned') })
    const cases: readonly [string[], string, OssbOptions?][] = [
      [['-'], 'plain', { input: archive('zstd -q') }],
      [['-'], 'typed', { input: text('typed') }],
      [['-f', '-', 'app'], 'typed', { input: text('typed') }],
      [['-f', 'sub/Other', '-'], 'other', { input: archive('cat') }],
      [['-f', 'app/sub/Other', 'app'], 'other'],
      [['tars/app.tar.xz'], 'plain'],
      [[`${files.url}/app.tgz`], 'plain'],
      [[`${files.url}/Dockerfile`], 'served'],
      [['-f', `${files.url}/Dockerfile`, 'app'], 'served'],
      [[`${repositories.url}/repository#:dir`], 'cloned'],
    ]
    for (const [args, name, options] of cases) {
      const { stdout } = await workspace.mustOssb(['build', '--call=targets', ...args], options)
      expect(stdout.split('\n')[1]?.trim(), args.join(' ')).toBe(`${name} (default)`)
    }
    const lower = { input: 'FROM scratch as Low\n' }
    const checked = await workspace.ossb(['build', '--check', '-'], lower)
    expect([checked.status, checked.stdout]).toEqual([1, expect.stringContaining('StageNameCasing')])
    const missing = await workspace.ossb(['build', '--check', '-f', 'none', '-'], { input: archive('cat') })
    expect([missing.status, missing.stderr]).toEqual([
      expect.any(Number),
      expect.stringContaining('there is no "none" in the build context'),
    ])
    expect(await workspace.leftovers()).toEqual([])
  })

  test('--check knows the images that --build-context names', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': 'FROM base\nCOPY --from=files a /\n', 'files/a': 'a' })
    const base = `base=oci-layout://${await miniBase()}:base`
    const { stderr } = await workspace.mustOssb([
      'build',
      '--check',
      '--build-context',
      base,
      '--build-context',
      'files=files',
      'app',
    ])
    expect(stderr).toBe('')
  })
})
