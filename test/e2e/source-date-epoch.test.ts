import { expect, test } from 'vitest'
import { startFileServer } from '../support/file-server.ts'
import { startGitServer } from '../support/git-server.ts'
import { identities } from '../support/identity.ts'
import { readOciArchive } from '../support/read-archive.ts'
import { createWorkspace } from '../support/workspace.ts'

test.each(await identities())(
  'as $name: a stage or a context with a time of its own is a SOURCE_DATE_EPOCH',
  async (identity) => {
    await using workspace = await createWorkspace(identity)
    await using files = await startFileServer()
    await using repositories = await startGitServer()
    files.files.set('/a', (_request, response) => {
      response.setHeader('Last-Modified', 'Fri, 14 Jul 2017 02:40:00 GMT').end('a')
    })
    files.files.set('/timeless', 'b')
    await repositories.create('r.git')
    await repositories.commit('r.git', { file: 'text' })
    await workspace.write({
      Dockerfile: [
        'ARG URL',
        'FROM scratch AS src',
        'ARG URL',
        'ADD $URL /x',
        'FROM scratch',
        'WORKDIR /w',
        'COPY --from=src /x /',
      ].join('\n'),
    })
    const createdWith = async (epoch: string, url: string, ...args: readonly string[]) => {
      const flags = ['--build-arg', `SOURCE_DATE_EPOCH=${epoch}`, '--build-arg', `URL=${url}`, ...args]
      const result = await workspace.ossb(['build', ...flags, '-o', 'type=oci,dest=out.tar', '.'])
      return result.status === 0
        ? (await readOciArchive(workspace.file('out.tar'))).config.created
        : result.stderr
    }
    const git = `${repositories.url}/r.git`
    expect(await createdWith('src', `${files.url}/a`)).toBe('2017-07-14T02:40:00.000Z')
    expect(await createdWith('src', git)).toBe('2020-01-02T03:04:05.000Z')
    expect(await createdWith('named', `${files.url}/a`, '--build-context', `named=${git}`)).toBe(
      '2020-01-02T03:04:05.000Z',
    )
    expect(await createdWith('src', `${files.url}/timeless`)).toContain(
      'does not say when it was last changed',
    )
  },
)
