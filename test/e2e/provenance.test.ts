import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mustRun } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { faultsOf } from '../support/published-schemas.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { createWorkspace } from '../support/workspace.ts'

let registry: RunningRegistry
beforeAll(async () => {
  registry = await startRegistry()
})
afterAll(() => registry.stop())

describe.each(await identities())('as $name', (identity) => {
  test('provenance is in the index as BuildKit has it, with what was taken from elsewhere and without secrets', async () => {
    await using workspace = await createWorkspace(identity)
    const access = `--insecure-registry=${registry.host}`
    const base = `${registry.host}/base-${identity.uid ?? 0}`
    await workspace.write({
      'base/Dockerfile': 'FROM scratch\nCOPY Dockerfile /base\n',
      'app/Dockerfile': `ARG TOKEN\nFROM ${base}:1\nCOPY Dockerfile /\n`,
      secret: 'never-to-be-seen',
    })
    const build = ['build', access, '--platform=linux/arm64,linux/s390x']
    await workspace.mustOssb([...build, '--push', `--tag=${base}:1`, '--metadata-file=base.json', 'base'])
    const pushed = JSON.parse(await readFile(workspace.file('base.json'), 'utf8'))['containerimage.digest']

    const output = '--output=type=oci,dest=layout,tar=false'
    const secrets = ['--secret=id=password,src=secret', '--build-arg=TOKEN=argument-value']
    const attest = async (...flags: readonly string[]) => {
      await workspace.mustOssb([...build, ...secrets, ...flags, output, '-t', 'team/app:2', 'app'])
      const { manifests: [top] = [] } = await json('layout/index.json')
      return await blob(top.digest)
    }
    const text = (name: string): Promise<string> => readFile(workspace.file(name), 'utf8')
    const json = async (name: string) => JSON.parse(await text(name))
    const blob = (digest: string) => json(`layout/blobs/sha256/${digest.slice(7)}`)

    const index = await attest('--provenance=true', '--reproducible')
    expect(index.manifests).toHaveLength(4)
    const [image, , about] = index.manifests
    expect(about).toMatchObject({
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: {
        'vnd.docker.reference.type': 'attestation-manifest',
        'vnd.docker.reference.digest': image.digest,
      },
    })
    const manifest = await blob(about.digest)
    expect(manifest).toMatchObject({
      artifactType: 'application/vnd.docker.attestation.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.empty.v1+json', size: 2, data: 'e30=' },
      subject: { digest: image.digest },
      layers: [
        {
          mediaType: 'application/vnd.in-toto+json',
          annotations: { 'in-toto.io/predicate-type': 'https://slsa.dev/provenance/v1' },
        },
      ],
    })
    const statement = await blob(manifest.layers[0].digest)
    expect(statement).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [
        {
          name: 'pkg:docker/team/app@2?platform=linux%2Farm64',
          digest: { sha256: image.digest.slice(7) },
        },
      ],
      predicate: {
        buildDefinition: {
          resolvedDependencies: [
            {
              uri: `pkg:docker/${base}@1?digest=${pushed}&platform=linux%2Farm64`,
              digest: { sha256: pushed.slice(7) },
            },
          ],
        },
        runDetails: { metadata: { buildkit_reproducible: true, buildkit_hermetic: true } },
      },
    })
    expect(faultsOf('statement', statement)).toEqual([])
    expect(faultsOf('provenance', statement.predicate)).toEqual([])
    expect(JSON.stringify(statement)).not.toMatch(/never-to-be-seen|argument-value|password|startedOn/)
    // Nothing of it depends on when the build ran.
    expect(await attest('--attest=type=provenance', '--reproducible')).toEqual(index)

    const full = await attest('--provenance=mode=max,builder-id=https://example.com/ci')
    const details = await blob((await blob(full.manifests[2].digest)).layers[0].digest)
    expect(details.predicate).toMatchObject({
      buildDefinition: {
        externalParameters: {
          request: {
            args: { 'build-arg:TOKEN': 'argument-value' },
            secrets: [{ id: 'password', optional: true }],
          },
        },
      },
      runDetails: {
        builder: { id: 'https://example.com/ci' },
        metadata: { startedOn: expect.any(String), finishedOn: expect.any(String) },
      },
    })
    expect(faultsOf('statement', details)).toEqual([])
    expect(faultsOf('provenance', details.predicate)).toEqual([])
    expect(JSON.stringify(details)).not.toContain('never-to-be-seen')

    const refused = await workspace.ossb([
      'build',
      '--provenance=true',
      '-o',
      'type=docker,dest=d.tar',
      'base',
    ])
    expect(refused.status).toBe(2)
    expect(refused.stderr).toContain('Cannot attach attestations')
    // Beside files it is a file itself, about each of them.
    const files = ['-o', 'type=local,dest=root', '-o', 'type=tar,dest=root.tar']
    await workspace.mustOssb(['build', access, '--provenance=true', '--sbom=true', ...files, 'base'])
    await mustRun('tar', ['-xf', workspace.file('root.tar'), '-C', workspace.file('home')])
    for (const [name, kind] of [
      ['provenance.json', 'provenance'],
      ['sbom.spdx.json', 'spdx'],
    ] as const) {
      const statement = await json(`root/${name}`)
      expect(faultsOf('statement', statement)).toEqual([])
      expect(faultsOf(kind, statement.predicate)).toEqual([])
      const sha256 = createHash('sha256')
        .update(await text('base/Dockerfile'))
        .digest('hex')
      expect(statement.subject).toEqual([{ name: 'base', digest: { sha256 } }])
      expect((await json(`home/${name}`)).subject).toEqual(statement.subject)
    }
    // Of several platforms in one place, each has its own.
    const two = { 'two/Dockerfile': 'FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n' }
    await workspace.write(two)
    const merged = [
      '--platform=linux/amd64,linux/arm/v7',
      '-o',
      'type=local,dest=merged,platform-split=false',
    ]
    await workspace.mustOssb(['build', '--provenance=true', ...merged, 'two'])
    for (const [platform, name] of [
      ['linux_amd64', 'amd64'],
      ['linux_arm_v7', 'arm'],
    ])
      expect((await json(`merged/provenance.${platform}.json`)).subject).toMatchObject([{ name }])
    const taken = { 'base/Dockerfile': 'FROM scratch\nCOPY Dockerfile /provenance.json\n' }
    await workspace.write(taken)
    const conflict = await workspace.ossb(['build', '--provenance=true', '-o', 'taken', 'base'])
    expect(conflict.stderr).toContain('Cannot write "provenance.json"')
    const unknown = await workspace.ossb(['build', '--attest=type=vex', 'base'])
    expect(unknown.stderr).toContain('attestations of type "vex" are not made')
  })
})
