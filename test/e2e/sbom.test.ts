import { readFile } from 'node:fs/promises'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { Provenance, SpdxDocument, Statement } from '../support/attestation-schemas.ts'
import { distributionBase } from '../support/base-image.ts'
import { identities } from '../support/identity.ts'
import { faultsOf } from '../support/published-schemas.ts'
import { createWorkspace } from '../support/workspace.ts'

const base = await distributionBase()

describe.each(await identities())('as $name', (identity) => {
  test('what is installed is stated beside the provenance, and both are as their formats ask', async () => {
    await using workspace = await createWorkspace(identity)
    const manifest = { name: '@scope/thing', version: '1.2.3', license: 'MIT' }
    await workspace.write({
      'app/Dockerfile':
        'FROM base\nCOPY node_modules /app/node_modules\nCOPY tool.dist-info /usr/lib/python3/tool.dist-info\n',
      'app/node_modules/@scope/thing/package.json': JSON.stringify(manifest),
      'app/tool.dist-info/METADATA': 'Name: Tool\nVersion: 4.5\nLicense: Some words\n\nProse\n',
    })
    const build = async (name: string, ...flags: readonly string[]) => {
      const output = [`--output=type=oci,dest=${name},tar=false`, '--reproducible', '-t', 'team/app:2']
      await workspace.mustOssb([
        'build',
        `--build-context=base=oci-layout://${base}:base`,
        ...flags,
        ...output,
        'app',
      ])
      const json = async (file: string) =>
        JSON.parse(await readFile(workspace.file(`${name}/${file}`), 'utf8'))
      const blob = (digest: string) => json(`blobs/sha256/${digest.slice(7)}`)
      const { digest } = (await json('index.json')).manifests[0]
      const { layers } = await blob((await blob(digest)).manifests[1].digest)
      return { digest, layers, blob }
    }

    const { digest, layers, blob } = await build('one', '--provenance=mode=max', '--sbom=true')
    expect(layers).toMatchObject([
      { annotations: { 'in-toto.io/predicate-type': 'https://slsa.dev/provenance/v1' } },
      {
        mediaType: 'application/vnd.in-toto+json',
        annotations: { 'in-toto.io/predicate-type': 'https://spdx.dev/Document' },
      },
    ])
    const [provenance, sbom] = [await blob(layers[0].digest), await blob(layers[1].digest)]
    for (const statement of [provenance, sbom]) expect(faultsOf('statement', statement)).toEqual([])
    expect(faultsOf('provenance', provenance.predicate)).toEqual([])
    expect(faultsOf('spdx', sbom.predicate)).toEqual([])
    v.parse(Provenance, v.parse(Statement, provenance).predicate)
    const document = v.parse(SpdxDocument, v.parse(Statement, sbom).predicate)
    expect(document.creationInfo.created).toBe('1970-01-01T00:00:00Z')
    const purls = document.packages.flatMap(({ externalRefs = [] }) =>
      externalRefs.map(({ referenceLocator }) => referenceLocator),
    )
    for (const name of ['bash', 'dpkg', 'libc6'])
      expect(purls).toContainEqual(
        expect.stringMatching(`^pkg:deb/debian/${name}@[^?]+\\?arch=\\w+&distro=debian-`),
      )
    expect(document.packages).toContainEqual(
      expect.objectContaining({ name: '@scope/thing', versionInfo: '1.2.3', licenseDeclared: 'MIT' }),
    )
    expect(purls).toContain('pkg:pypi/tool@4.5')
    expect(document.hasExtractedLicensingInfos).toMatchObject([{ extractedText: 'Some words' }])
    // Every package has an id of its own, and the image has them all.
    const ids = document.packages.map(({ SPDXID }) => SPDXID)
    expect(new Set(ids).size).toBe(ids.length)
    expect(document.relationships.map(({ relatedSpdxElement }) => relatedSpdxElement)).toEqual(ids)

    const again = await build('two', '--attest=type=sbom', '--attest=type=provenance,mode=max')
    expect(again.digest).toBe(digest)
    expect((await build('three', '--attest=type=sbom')).layers).toEqual([layers[1]])

    const generator = await workspace.ossb([
      'build',
      '--attest=type=sbom,generator=example.com/scanner',
      'app',
    ])
    expect(generator.status).toBe(2)
    expect(generator.stderr).toContain('"generator=example.com/scanner" is not known')
  })
})
