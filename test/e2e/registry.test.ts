import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { distributionBase } from '../support/base-image.ts'
import { mustRun } from '../support/command.ts'
import { differences } from '../support/compare-rootfs.ts'
import { identities } from '../support/identity.ts'
import {
  buildWithBuildah,
  type ForeignView,
  runBundle,
  toolDirectory,
  viewLayout,
} from '../support/oracle.ts'
import { readProgress } from '../support/progress.ts'
import type { ImageConfigDocument } from '../support/read-archive.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { writeTwoStageContext } from '../support/two-stage.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

const everyone = await identities()

const AUTH = { user: 'builder', password: 'pass:word with "signs"' }

const EXPECTED_CONFIG = {
  User: 'app',
  ExposedPorts: { '8080/tcp': {}, '9090/udp': {} },
  Env: [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'APP_HOME=/srv/app',
    'GREETING=hello from app',
  ],
  Entrypoint: ['/usr/local/bin/run'],
  Cmd: ['one', 'two words'],
  Volumes: { '/data': {} },
  WorkingDir: '/srv/app',
  Labels: { 'org.example.title': 'two stages', 'org.example.empty': '' },
  StopSignal: 'SIGINT',
}

const EXPECTED_FILES: Readonly<Record<string, RegExp | undefined>> = {
  '/srv/app/many/20/150': /^file 0644 0:0 7 /,
  '/srv/app/many/7': undefined,
  '/srv/app/tree': /^directory 0755 1234:100$/,
  '/srv/app/tree/empty': /^directory 0755 1234:100$/,
  '/srv/app/tree/sub': /^directory 2775 1234:33$/,
  '/srv/app/tree/sub/private': /^file 0600 1234:33 8 /,
  '/srv/app/tree/sub/link': /^symlink -> \.\.\/plain\.txt 1234:33$/,
  '/srv/app/tree/dangling': /^symlink -> \/nowhere 1234:100$/,
  '/srv/app/serve':
    /^file 0755 0:0 \d+ \w+ security\.capability=01\w+ links=\/srv\/app\/serve,\/srv\/app\/serve-too$/,
  '/srv/app/serve-link': /^symlink -> serve 0:0$/,
  '/srv/app/pipe': /^fifo 0000 0:0$/,
  '/srv/app/name with space': /^file 0644 0:0 0 /,
  '/srv/app/naïve': /^file 0644 0:0 0 /,
  '/usr/local/bin/run': /^file 0755 0:0 /,
  '/usr/share/base-files/motd': undefined,
  '/etc/skel': /^directory 0755 0:0$/,
  '/etc/skel/.profile': undefined,
  '/home/app': /^directory 07\d\d 1234:1234$/,
}

/**
 * Where buildah's tree is its own and not the Dockerfile's: it leaves an empty /etc/hosts where the base has none.
 * Tools that may not make device nodes leave empty files in /dev.
 */
const NOT_COMPARED = process.getuid?.() === 0 ? ['/etc/hosts'] : ['/etc/hosts', '/dev']

/**
 * What two builders have to agree on. Times, the wording of history and how layers are cut are each builder's own;
 * ArgsEscaped is written with every CMD by BuildKit, and by OSSB after it, and never by buildah.
 */
function comparable({ config, ...image }: ImageConfigDocument): unknown {
  const { created: _created, history: _history, rootfs: _rootfs, ...rest } = image
  const { ArgsEscaped: _escaped, ...process } = config
  return { ...rest, config: process }
}

const KINDS = [
  { kind: 'a registry over plain HTTP', secure: false },
  { kind: 'a registry over TLS with a password', secure: true },
]

let oracle: ForeignView

beforeAll(async () => {
  await using tools = await toolDirectory()
  await using context = await toolDirectory()
  await writeTwoStageContext(context.path)
  oracle = await buildWithBuildah(tools.path, context.path, await distributionBase())
})

describe.each(KINDS)('with $kind', ({ secure }) => {
  let registry: RunningRegistry
  let base: string

  beforeAll(async () => {
    registry = await startRegistry(secure ? { tls: true, auth: AUTH } : {})
    base = `${registry.host}/debian/base:1`
    await skopeo([
      'copy',
      '--quiet',
      ...destination(),
      `oci:${await distributionBase()}:base`,
      `docker://${base}`,
    ])
  })

  afterAll(async () => {
    await registry?.stop()
  })

  const credentials = (side: string): string[] =>
    secure ? [`--${side}creds=${AUTH.user}:${AUTH.password}`] : []
  const destination = (): string[] => [...credentials('dest-'), '--dest-tls-verify=false']
  const skopeo = (args: readonly string[]): Promise<string> => mustRun('skopeo', args)

  async function trust(workspace: Workspace, variable: string): Promise<Record<string, string>> {
    await workspace.write({ 'ca.crt': await readFile(registry.caFile ?? '', 'utf8') })
    return { [variable]: workspace.file('ca.crt') }
  }

  /** How a user says which certificate to trust and who they are. */
  async function access(workspace: Workspace): Promise<{ args: string[]; env: Record<string, string> }> {
    if (!secure) return { args: ['--insecure-registry', registry.host], env: {} }
    const auth = Buffer.from(`${AUTH.user}:${AUTH.password}`).toString('base64')
    await workspace.write({ 'docker/config.json': JSON.stringify({ auths: { [registry.host]: { auth } } }) })
    const trusted = await trust(workspace, 'NODE_EXTRA_CA_CERTS')
    return { args: [], env: { DOCKER_CONFIG: workspace.file('docker'), ...trusted } }
  }

  describe.each(everyone)('as $name', (identity) => {
    test('a two-stage Dockerfile builds, pushes, and is what skopeo, umoci, crun and buildah expect', async () => {
      await using workspace = await createWorkspace(identity)
      await using tools = await toolDirectory()
      const name = `${registry.host}/app/${identity.name.replace(' ', '-')}:1`
      await workspace.fill('app', writeTwoStageContext)
      const { args, env } = await access(workspace)
      const build = [
        'build',
        '--progress',
        'json',
        ...args,
        '--build-arg',
        `BASE=${base}`,
        '-t',
        name,
        '--push',
      ]
      const metadata = (file: string): string[] => ['--metadata-file', file, 'app']

      const first = readProgress(
        (await workspace.mustOssb([...build, ...metadata('first.json')], { env })).stderr,
      )
      expect(first.completed.filter((step) => /\bRUN\b/.test(step))).toHaveLength(6)
      expect(await workspace.leftovers()).toEqual([])

      const inspected = JSON.parse(
        await skopeo(['inspect', ...credentials(''), '--tls-verify=false', `docker://${name}`]),
      )
      await skopeo([
        'copy',
        '--quiet',
        ...credentials('src-'),
        '--src-tls-verify=false',
        `docker://${name}`,
        `oci:${tools.path}/layout:image`,
      ])
      const view = await viewLayout(tools.path, `${tools.path}/layout`)
      expect(view.config.config).toEqual({ ...EXPECTED_CONFIG, ArgsEscaped: true })
      for (const [path, expected] of Object.entries(EXPECTED_FILES)) {
        if (expected === undefined) expect(view.files.has(path), path).toBe(false)
        else expect(view.files.get(path), path).toMatch(expected)
      }
      expect(differences(view.files, oracle.files, NOT_COMPARED)).toEqual([])
      expect(comparable(view.config)).toEqual(comparable(oracle.config))
      expect(await runBundle(tools.path)).toBe(
        'hello from app: app:app in /srv/app, arguments: one two words\n19\n20 150\n',
      )

      const second = readProgress(
        (await workspace.mustOssb([...build, ...metadata('second.json')], { env })).stderr,
      )
      expect(second.completed.filter((step) => /\b(RUN|COPY)\b/.test(step))).toEqual([])
      expect(second.output).toEqual([])
      const again = JSON.parse(
        await skopeo(['inspect', ...credentials(''), '--tls-verify=false', `docker://${name}`]),
      )
      expect(again.Digest).toBe(inspected.Digest)
    })

    test('a base that the registry does not have is one clear error', async () => {
      await using workspace = await createWorkspace(identity)
      await workspace.write({ 'app/Dockerfile': `FROM ${registry.host}/no/such:thing\nRUN true\n` })
      const { args, env } = await access(workspace)
      const result = await workspace.ossb(['build', ...args, 'app'], { env })
      expect(result.status).toBe(1)
      expect(result.stderr).toContain(`${registry.host}/no/such:thing`)
      expect(result.stderr).toMatch(/not found|NAME_UNKNOWN|MANIFEST_UNKNOWN/i)
      expect(result.stderr).toContain('Dockerfile:1')
    })
  })

  if (secure)
    describe.each(everyone)('as $name', (identity) => {
      test.each([
        ['no password', {}, /401|unauthorized/i],
        ['a wrong password', { auth: Buffer.from('builder:wrong').toString('base64') }, /401|unauthorized/i],
      ])(
        '%s: a push is refused with one clear error, and nothing is shown',
        async (_name, entry, message) => {
          await using workspace = await createWorkspace(identity)
          await workspace.write({
            'app/Dockerfile': 'FROM scratch\nCOPY file /\n',
            'app/file': 'x',
            'docker/config.json': JSON.stringify({ auths: { [registry.host]: entry } }),
          })
          const trusted = await trust(workspace, 'SSL_CERT_FILE')
          const env = { DOCKER_CONFIG: workspace.file('docker'), ...trusted }
          const result = await workspace.ossb(
            ['build', '-t', `${registry.host}/app/refused:1`, '--push', 'app'],
            { env },
          )
          expect(result.status).toBe(1)
          expect(result.stderr).toMatch(message)
          expect(result.stderr).toContain(registry.host)
          expect(result.stdout + result.stderr).not.toMatch(/builder:wrong|YnVpbGRlcjp3cm9uZw/)
          expect(await workspace.leftovers()).toEqual([])
        },
      )

      test('a certificate nobody vouches for is refused', async () => {
        await using workspace = await createWorkspace(identity)
        await workspace.write({ 'app/Dockerfile': `FROM ${base}\n` })
        const result = await workspace.ossb(['build', 'app'])
        expect(result.status).toBe(1)
        expect(result.stderr).toMatch(/certificate/i)
      })
    })
})
