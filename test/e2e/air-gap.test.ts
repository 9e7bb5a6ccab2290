import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mustRun } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { ossbWithoutNetwork } from '../support/no-network.ts'
import { type OutsideInputs, startOutsideInputs } from '../support/outside-inputs.ts'
import { readOciArchive } from '../support/read-archive.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

const ARCHITECTURE = ({ x64: 'amd64' } as Record<string, string>)[process.arch] ?? process.arch
const OTHER = ARCHITECTURE === 's390x' ? 'amd64' : 's390x'
const EPOCH = ['--build-arg', 'SOURCE_DATE_EPOCH=1700000000']

const everyone = await identities()

async function startInputs(): Promise<OutsideInputs> {
  const inputs = await startOutsideInputs()
  await inputs.pushIndex('base:1', [
    { name: 'base:host', architecture: ARCHITECTURE },
    { name: 'base:other', architecture: OTHER },
  ])
  return inputs
}

describe.each(everyone)('as $name', (identity) => {
  test('a bundle builds the same image without any network (F12)', async () => {
    await using inputs = await startInputs()
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': inputs.dockerfile })
    const output = (file: string) => ['-o', `type=oci,dest=${file},rewrite-timestamp=true`]
    await workspace.mustOssb(['build', ...EPOCH, ...output('online.tar'), 'app'])
    for (const [file, cache] of [
      ['inputs.tar', 'ossb'],
      ['again.tar', 'fresh'],
    ] as const)
      await workspace.mustOssb([
        'bundle',
        '--lock',
        `${file}.lock`,
        '--cache-dir',
        cache,
        ...EPOCH,
        file,
        'app',
      ])
    expect(await readFile(workspace.file('again.tar'))).toEqual(await readFile(workspace.file('inputs.tar')))
    const offline = await ossbWithoutNetwork(workspace, [
      'build',
      '--offline',
      '--locked',
      '--inputs',
      'inputs.tar',
      '--cache-dir',
      'elsewhere',
      ...EPOCH,
      ...output('offline.tar'),
      'app',
    ])
    expect(offline.stderr).not.toContain('ERROR')
    expect(offline.status).toBe(0)
    const online = await readOciArchive(workspace.file('online.tar'))
    expect((await readOciArchive(workspace.file('offline.tar'))).digest).toBe(online.digest)
    expect(await workspace.leftovers()).toEqual([])

    const name = `${inputs.registry.host}/base:1`
    const seen = await mustRun('skopeo', [
      'inspect',
      '--config',
      `oci-archive:${workspace.file('inputs.tar')}:${name}`,
    ])
    expect(JSON.parse(seen)).toMatchObject({ author: 'base' })
  })
})

describe('the inputs of a build', () => {
  const identity = everyone.at(-1)
  let inputs: OutsideInputs

  beforeAll(async () => {
    inputs = await startInputs()
  })

  afterAll(async () => {
    await inputs?.[Symbol.asyncDispose]()
  })

  async function openWorkspace(): Promise<Workspace> {
    if (identity === undefined) throw new Error('there is nobody to run the program')
    const workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': inputs.dockerfile })
    return workspace
  }

  test('that are not here are all told of at once, with their lines, and nobody is asked for them (F12)', async () => {
    await using workspace = await openWorkspace()
    const asked = inputs.files.requests.length
    const result = await workspace.ossb(['build', '--offline', 'app'])
    expect(result.status).toBe(1)
    const { host } = inputs.registry
    const at = (line: number) => `app/Dockerfile:${line}`
    expect(result.stderr).toContain(
      [
        'ERROR: Cannot build: 6 inputs are not on this machine, and may not be asked for',
        `  ${at(2)}  url    ${inputs.files.url}/data.txt`,
        `  ${at(2)}  url    ${inputs.files.url}/moved.txt`,
        `  ${at(3)}  git    ${inputs.git.url}/lib#v1`,
        `  ${at(4)}  git    ${inputs.git.url}/lib#main`,
        `  ${at(5)}  image  ${host}/base:1`,
        `  ${at(8)}  image  ${host}/tools:1`,
        'hint: Gather them where there is a network',
      ].join('\n'),
    )
    expect(inputs.files.requests).toHaveLength(asked)
    const remote = await workspace.ossb([
      'build',
      '--offline',
      '-f',
      `${inputs.files.url}/Dockerfile`,
      `${inputs.git.url}/lib.git`,
    ])
    expect(remote.stderr).toContain('Cannot build: 2 inputs are not on this machine')
    expect(remote.stderr).toContain(`command line  url    ${inputs.files.url}/Dockerfile`)
    expect(remote.stderr).toContain(`command line  git    ${inputs.git.url}/lib.git`)
    expect(inputs.files.requests).toHaveLength(asked)
  })

  test('come from a bundle first, and only others from hosts that are allowed', async () => {
    await using workspace = await openWorkspace()
    const { host } = inputs.registry
    const data = `${inputs.files.url}/data.txt`
    await workspace.write({
      'one/Dockerfile': `FROM ${host}/base:1\nADD ${data} /\n`,
      'two/Dockerfile': `FROM ${host}/base:1\nADD ${data} ${inputs.files.url}/real.txt /\n`,
      'three/Dockerfile': `FROM ${host}/base:1\nADD ${inputs.files.url}/away.txt /\n`,
    })
    await workspace.mustOssb(['bundle', 'inputs.tar', 'one'])
    const asked = inputs.files.requests.length
    const fresh = ['--cache-dir', 'fresh', '--inputs', 'inputs.tar']
    await workspace.mustOssb(['build', ...fresh, 'two'])
    expect(inputs.files.requests.slice(asked)).toEqual(['GET /real.txt'])

    const elsewhere = 'http://127.0.0.2:9/away.txt'
    inputs.files.files.set('/away.txt', (_request, response) => {
      response.writeHead(302, { location: elsewhere }).end()
    })
    const server = inputs.files.url.replace('http://', '')
    const refused = await workspace.ossb(['build', ...fresh, '--allow-host', server, 'three'])
    expect(refused.stderr).toContain(
      'ERROR: Cannot connect to "127.0.0.2:9": only hosts of --allow-host may be reached',
    )
    expect(refused.stderr).toContain('hint: To allow it, add --allow-host 127.0.0.2:9.')
  })

  test('may be images of the store: by a name that was built, and by a digest that was pulled', async () => {
    await using workspace = await openWorkspace()
    const { host } = inputs.registry
    const answer = await fetch(`http://${host}/v2/base/manifests/host`, {
      method: 'HEAD',
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    })
    const pulled = `${host}/base@${answer.headers.get('docker-content-digest')}`
    await workspace.write({
      'built/Dockerfile': 'FROM scratch\nCOPY Dockerfile /\n',
      'pulled/Dockerfile': `FROM ${pulled}\n`,
      'tagged/Dockerfile': `FROM ${host}/base:host\n`,
      'next/Dockerfile': `FROM mine:1\nCOPY --from=${pulled} /etc/passwd /\n`,
    })
    await workspace.mustOssb(['build', '-t', 'mine:1', 'built'])
    const early = await workspace.ossb(['build', '--offline', 'next'])
    expect(early.stderr).toContain(`Cannot build: 1 input is not on this machine`)
    for (const name of ['pulled', 'tagged'])
      await workspace.mustOssb(['build', '-o', `type=oci,dest=${name}.tar`, name])
    await workspace.mustOssb(['build', '--offline', 'next'])
    const tagged = await workspace.ossb(['build', '--offline', 'tagged'])
    expect(tagged.stderr).toContain(`tagged/Dockerfile:1  image  ${host}/base:host`)
    const pushed = await workspace.ossb(['build', '--offline', '--push', '-t', `${host}/new:1`, 'next'])
    expect(pushed.stderr).toContain(`ERROR: Cannot connect to "${host}": this is offline`)
  })

  test('that are not what the lock says are all told of at once', async () => {
    await using workspace = await openWorkspace()
    const before = await workspace.mustOssb(['lock', 'app'])
    expect(before.stderr).toContain('lock app/ossb.lock')
    const locked = JSON.parse(await readFile(workspace.file('app/ossb.lock'), 'utf8')) as {
      inputs: { kind: string; name: string; digest?: string; commit?: string }[]
    }
    expect(locked.inputs.map(({ kind }) => kind)).toEqual(['git', 'git', 'image', 'image', 'url', 'url'])
    const old = (name: string) => {
      const found = locked.inputs.find((input) => input.name.endsWith(name))
      return found?.digest ?? found?.commit
    }

    const commit = await inputs.git.commit('lib', { new: 'new\n' })
    inputs.files.files.set('/data.txt', 'other\n')
    await inputs.push('tools:1', 'changed')
    await workspace.write({
      'app/Dockerfile': `${inputs.dockerfile}ADD ${inputs.files.url}/real.txt /\n`,
    })
    const result = await workspace.ossb(['build', '--locked', 'app'])
    expect(result.status).toBe(1)
    expect(result.stderr).toContain('Cannot build: 4 inputs are not as "app/ossb.lock" says')
    expect(result.stderr).toContain(
      `app/Dockerfile:2  url    ${inputs.files.url}/data.txt: expected ${old('/data.txt')}, found sha256:`,
    )
    expect(result.stderr).toContain(`lib#main: expected ${old('/lib#main')}, found ${commit}`)
    expect(result.stderr).toContain(`/tools:1: expected ${old('/tools:1')}, found sha256:`)
    expect(result.stderr).toContain('/real.txt: not in the lock; found sha256:')

    await workspace.mustOssb(['lock', '--lock', 'new.lock', 'app'])
    await workspace.mustOssb(['build', '--locked', '--lock', 'new.lock', 'app'])
  })

  test('may be the context, the Dockerfile, named contexts and triggers, and for several platforms', async () => {
    await using workspace = await openWorkspace()
    const { host } = inputs.registry
    const files = inputs.files.url
    const trigger = `FROM scratch\nONBUILD ADD ${files}/real.txt /triggered\n`
    await workspace.write({ 'trigger/Dockerfile': trigger })
    await workspace.mustOssb(['build', '--push', '-t', `${host}/trigger:1`, 'trigger'])
    inputs.files.files.set(
      '/Remote',
      `FROM ${host}/trigger:1 AS triggered\nFROM ${host}/base:1\n` +
        'COPY b /\nCOPY --from=more . /more/\nCOPY --from=renamed /etc/passwd /\n' +
        'COPY --from=triggered /triggered /\n',
    )
    const what = [
      '-f',
      `${files}/Remote`,
      '--build-context',
      `more=${inputs.git.url}/module#main`,
      '--build-context',
      `renamed=docker-image://${host}/tools:1`,
      ...EPOCH,
    ]
    const context = `${inputs.git.url}/lib#v1`
    const platforms = `linux/${ARCHITECTURE},linux/${OTHER}`
    // The image of the trigger and the tools are for this machine alone, and are used for the other one as they are.
    await workspace.mustOssb([
      'bundle',
      ...what,
      '--platform',
      platforms,
      '--lock',
      'lock',
      'inputs.tar',
      context,
    ])
    const { inputs: locked } = JSON.parse(await readFile(workspace.file('lock'), 'utf8')) as {
      inputs: { kind: string; name: string; platforms?: object }[]
    }
    expect(locked.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      `git ${inputs.git.url}/lib#v1`,
      `git ${inputs.git.url}/module#main`,
      `image ${host}/base:1`,
      `image ${host}/tools:1`,
      `image ${host}/trigger:1`,
      `url ${files}/Remote`,
      `url ${files}/real.txt`,
    ])
    expect(Object.keys(locked[2]?.platforms ?? {}).sort()).toEqual(platforms.split(',').sort())
    for (const platform of platforms.split(',')) {
      const build = ['build', ...what, '--platform', platform]
      const output = (file: string) => ['-o', `type=oci,dest=${file},rewrite-timestamp=true`]
      await workspace.mustOssb([...build, ...output('online.tar'), context])
      const offline = ['--offline', '--locked', '--inputs', 'inputs.tar', '--cache-dir', 'fresh']
      await workspace.mustOssb([...build, ...offline, ...output('offline.tar'), context])
      const { digest } = await readOciArchive(workspace.file('online.tar'))
      expect((await readOciArchive(workspace.file('offline.tar'))).digest, platform).toBe(digest)
    }
  })

  test('in a bundle are verified when they are used', async () => {
    await using workspace = await openWorkspace()
    await workspace.write({
      'app/Dockerfile': `FROM scratch\nADD ${inputs.files.url}/real.txt /\n`,
    })
    await workspace.mustOssb(['bundle', 'inputs.tar', 'app'])
    const bytes = await readFile(workspace.file('inputs.tar'))
    bytes.write('REDIRECTED\n', bytes.indexOf('redirected\n'))
    await writeFile(workspace.file('inputs.tar'), bytes)
    const build = ['build', '--offline', '--cache-dir', 'fresh', '--inputs', 'inputs.tar', 'app']
    const result = await workspace.ossb(build)
    expect(result.status).toBe(1)
    expect(result.stderr).toMatch(/ERROR: Cannot use sha256:\w+ from "inputs.tar": its digest is/)
    await workspace.write({ 'app/text': 'text' })
    const other = await workspace.ossb(['build', '--inputs', 'app/text', 'app'])
    expect(other.stderr).toContain(
      'Cannot read "app/text" as an image archive: it ends in the middle of a header',
    )
    expect(await workspace.leftovers()).toEqual([])
  })
})
