import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { mustRun } from '../support/command.ts'
import { startGitHttpServer } from '../support/git-http-server.ts'
import { startGitServer } from '../support/git-server.ts'
import { identities } from '../support/identity.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

const USER = { user: 'builder', password: 'pass:word "signs"' }
const base = await miniBase()
let registry: RunningRegistry

beforeAll(async () => {
  registry = await startRegistry({ auth: USER, token: true })
})

afterAll(() => registry?.stop())

const DOCKERFILE = `FROM oci-layout://${base}:base AS build
RUN echo built >/built && mkdir /cache && echo no >/cache/left-out
FROM oci-layout://${base}:base
COPY --from=build /built /app/
COPY a /app/
RUN echo made >/app/made; mkdir -p /cache && echo no >/cache/left-out
LABEL who=dockerfile
`

interface Manifest {
  readonly config: { readonly digest: string }
  readonly layers: readonly { readonly digest: string }[]
}

/** What skopeo says of an image: its digest, its manifest and the names of its files in the layers. */
async function look(workspace: Workspace, image: string): Promise<{ digest: string; manifest: Manifest }> {
  const login = ['--authfile', workspace.file('home/.docker/config.json'), '--tls-verify=false']
  const raw = await mustRun('skopeo', [
    'inspect',
    '--raw',
    ...(image.startsWith('docker:') ? login : []),
    image,
  ])
  const digest = (
    await mustRun('skopeo', [
      'inspect',
      '--format={{.Digest}}',
      ...(image.startsWith('docker:') ? login : []),
      image,
    ])
  ).trim()
  return { digest, manifest: JSON.parse(raw) as Manifest }
}

describe.each(await identities())('as $name', (identity) => {
  const repository = () => `${registry.host}/group/${identity.name.replace(' ', '-')}`

  test('the job that GitLab documents pushes with nothing but the program replaced', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'project/Dockerfile': DOCKERFILE, 'project/a': 'a\n' })
    // https://docs.gitlab.com/ci/docker/using_kaniko/, with /kaniko in the workspace.
    const script = [
      'mkdir -p "$DOCKER_CONFIG"',
      `echo "{\\"auths\\":{\\"$CI_REGISTRY\\":{\\"auth\\":\\"$(printf "%s:%s" "$CI_REGISTRY_USER" "$CI_REGISTRY_PASSWORD" | base64 | tr -d '\\n')\\"}}}" > "$DOCKER_CONFIG/config.json"`,
      '"$NODE" "$EXECUTOR" --context "$CI_PROJECT_DIR" --dockerfile "$CI_PROJECT_DIR/Dockerfile" --destination "$CI_REGISTRY_IMAGE:$CI_COMMIT_TAG"',
    ]
    const { uid, gid, node, program } = identity
    await mustRun('sh', ['-e', '-c', script.join('\n')], {
      cwd: workspace.path,
      ...(uid === undefined || gid === undefined ? {} : { uid, gid }),
      env: workspace.environment({
        NODE: node,
        EXECUTOR: program.replace(/ossb\.js$/, 'executor.js'),
        DOCKER_CONFIG: workspace.file('home/.docker'),
        CI_REGISTRY: registry.host,
        CI_REGISTRY_USER: USER.user,
        CI_REGISTRY_PASSWORD: USER.password,
        CI_REGISTRY_IMAGE: repository(),
        CI_COMMIT_TAG: 'v1',
        CI_PROJECT_DIR: workspace.file('project'),
      }),
    })
    const { manifest } = await look(workspace, `docker://${repository()}:v1`)
    expect(manifest.layers).toHaveLength(4)
    expect(await workspace.leftovers()).toEqual([])
  })

  test('writes the files that were asked for in the form that scripts read', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': DOCKERFILE, 'app/a': 'a\n' })
    const login = await workspace.executor(['login', registry.host, '-u', USER.user, '--password-stdin'], {
      input: `${USER.password}\n`,
    })
    expect(login).toMatchObject({ status: 0, stdout: 'Login Succeeded\n' })
    const built = await workspace.executor(
      [
        '--context=dir://app',
        `-d=${repository()}:files`,
        '-d',
        `${repository()}:more`,
        '--digest-file=out/digest',
        '--image-name-with-digest-file=out/names',
        '--image-name-tag-with-digest-file=out/tags',
        '--tar-path=image.tar',
        '--oci-layout-path=layout',
        '--label',
        'who=flag',
        '--ignore-path=/cache',
        '--single-snapshot',
      ],
      { env: { BUILDER_OUTPUT: workspace.file('builder') } },
    )
    expect(built.stderr).toContain(`Pushed ${repository()}@sha256:`)
    expect(built.status).toBe(0)
    const { digest, manifest } = await look(workspace, `docker://${repository()}:files`)
    const read = (name: string) => readFileSync(workspace.file(name), 'utf8')
    expect(read('out/digest')).toBe(digest)
    expect(read('out/names')).toBe(`${repository()}@${digest}\n`.repeat(2))
    expect(read('out/tags')).toBe(`${repository()}:files@${digest}\n${repository()}:more@${digest}\n`)
    expect(read('builder/images')).toBe(
      ['files', 'more'].map((tag) => `{"name":"${repository()}:${tag}","digest":"${digest}"}\n`).join(''),
    )
    expect(manifest.layers).toHaveLength(2)
    expect((await look(workspace, `oci:${workspace.file('layout')}`)).digest).toBe(digest)
    expect(read('layout/index.json')).toContain('\n   "manifests": [')
    expect(JSON.parse(read('layout/index.json'))).toMatchObject({ manifests: [{ digest }] })

    const names = execFileSync('tar', ['-tf', workspace.file('image.tar')])
      .toString()
      .trim()
      .split('\n')
    const [archived] = JSON.parse(
      execFileSync('tar', ['-xOf', workspace.file('image.tar'), 'manifest.json']).toString(),
    ) as [{ Config: string; RepoTags: string[]; Layers: string[] }]
    expect(names).toEqual([archived.Config, ...archived.Layers, 'manifest.json'])
    expect(archived.RepoTags).toEqual([`${repository()}:files`, `${repository()}:more`])
    expect(
      (await look(workspace, `docker-archive:${workspace.file('image.tar')}`)).manifest.layers,
    ).toHaveLength(2)

    const config = JSON.parse(
      execFileSync('tar', ['-xOf', workspace.file('image.tar'), archived.Config]).toString(),
    ) as { config: { Labels: Record<string, string> } }
    expect(config.config.Labels['who']).toBe('flag')
    const last = archived.Layers.at(-1) ?? ''
    const layer = execFileSync('sh', [
      '-c',
      'tar -xOf "$1" "$2" | tar -tzf -',
      'sh',
      workspace.file('image.tar'),
      last,
    ])
    expect(layer.toString().split('\n')).toEqual(expect.arrayContaining(['app/a', 'app/built', 'app/made']))
    expect(layer.toString()).not.toContain('cache')

    for (const [source, tag] of [
      ['image.tar', 'from-tar'],
      ['layout', 'from-layout'],
    ]) {
      const pushed = await workspace.executor(['push', source ?? '', '-d', `${repository()}:${tag}`])
      expect(pushed.status, pushed.stderr).toBe(0)
    }
    expect((await look(workspace, `docker://${repository()}:from-layout`)).digest).toBe(digest)
    expect(await workspace.leftovers()).toEqual([])
  })

  test('contexts: an archive on standard input or in a file, a part of it, a repository with a token', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({
      'app/sub/Dockerfile': 'FROM scratch\nCOPY a /\n',
      'app/sub/a': 'a\n',
      Dockerfile: 'FROM scratch\nCOPY nothing /\n',
    })
    await workspace.fill('archives', async (directory) => {
      execFileSync('tar', ['-czf', `${directory}/app.tgz`, '-C', workspace.file('app'), '.'])
    })
    const build = async (args: readonly string[], options = {}) => {
      const result = await workspace.executor(['--no-push', '--digest-file=digest', ...args], options)
      expect(result.status, result.stderr).toBe(0)
    }
    await build(['--context', 'tar://archives/app.tgz', '--context-sub-path=sub', '--oci-layout-path=a'])
    await build(['-c', 'tar://stdin', '--context-sub-path=sub', '--oci-layout-path=b'], {
      input: readFileSync(workspace.file('archives/app.tgz')),
    })
    await build(['-c', 'app', '--context-sub-path', 'sub', '--oci-layout-path=c'])
    await using git = await startGitServer()
    await git.create('app')
    const commit = await git.commit('app', {
      'sub/Dockerfile': 'FROM scratch\nCOPY a /\nCOPY .git /git\n',
      'sub/a': 'a\n',
    })
    await using web = await startGitHttpServer(
      git.directory,
      `Basic ${Buffer.from('secret-token:').toString('base64')}`,
    )
    const repository = await workspace.executor(
      [
        '--no-push',
        '-v',
        'debug',
        '-c',
        `git://${web.host}/app#refs/heads/main#${commit}`,
        '--context-sub-path=sub',
      ],
      { env: { GIT_TOKEN: 'secret-token', GIT_PULL_METHOD: 'http' } },
    )
    expect(repository.stderr).toContain('"/.git": not found')
    expect(repository.stdout + repository.stderr).not.toContain('secret-token')
    expect(existsSync(workspace.file('a/index.json'))).toBe(true)
    expect(await workspace.leftovers()).toEqual([])
  })

  test('layers that one machine has pushed to the cache serve another, and the image is the same', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': DOCKERFILE, 'app/a': 'a\n' })
    const login = await workspace.executor(['login', registry.host, '-u', USER.user, '-p', USER.password])
    expect(login.status, login.stderr).toBe(0)
    const build = async (machine: string, ...args: string[]) => {
      const result = await workspace.executor([
        '--context=app',
        `--destination=${repository()}:cached`,
        `--kaniko-dir=${workspace.file(machine)}`,
        '--digest-file=digest',
        ...args,
      ])
      expect(result.status, result.stderr).toBe(0)
      return { log: result.stderr, digest: readFileSync(workspace.file('digest'), 'utf8') }
    }
    const cache = ['--cache', '--cache-copy-layers']
    const first = await build('one', ...cache)
    expect(first.log).toContain('No cached layer found for cmd RUN echo built >/built')
    expect(first.log).toContain(`Pushing layers to the cache ${repository()}/cache now`)
    const second = await build('two', ...cache)
    expect(second.log).toContain('Using caching version of cmd: RUN echo made >/app/made')
    expect(second.log).not.toContain('No cached layer found')
    expect(second.digest).toBe(first.digest)
    const old = await build('three', ...cache, '--cache-ttl=1ms', '--no-push-cache')
    expect(old.log).toContain('No cached layer found for cmd RUN echo built >/built')
    const without = await build('four')
    expect(without.log).not.toContain('Using caching version')
    expect(without.log).not.toContain('cached layer')
  })

  test.each([
    ['a status of its own', 'RUN exit 42', 42, 'exit status 42'],
    ['an unknown command', 'RUN nosuchcommand', 127, 'exit status 127'],
    ['a signal', 'RUN kill -9 $$', 255, 'exit status'],
    ['a missing file', 'COPY nope /', 1, '"/nope": not found'],
    ['a mistake', 'FOO', 1, 'unknown instruction: FOO'],
  ])('ends as kaniko does after %s', async (_what, line, status, text) => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': `FROM oci-layout://${base}:base\n${line}\n` })
    const result = await workspace.executor(['-c', 'app', '--no-push', '--digest-file', 'digest'])
    expect(result.stderr).toContain('error building image: ')
    expect(result.stderr).toContain(text)
    expect(result.status).toBe(status)
    expect(existsSync(workspace.file('digest'))).toBe(false)
    expect(await workspace.leftovers()).toEqual([])
  })
})
