import * as v from 'valibot'
import { expect, test } from 'vitest'
import { spdxDocument } from '../../src/sbom.ts'
import { SpdxDocument } from '../support/attestation-schemas.ts'
import { faultsOf } from '../support/published-schemas.ts'

const found = ['deb', 'apk', 'npm', 'pypi', 'golang'].map((type) => ({
  type,
  name: type,
  version: type === 'golang' ? '' : '1',
  purl: `pkg:${type}/name@1`,
  location: '/x',
  supplier: 'A Team <a@b>',
  license: 'BSD',
}))
const document = v.parse(SpdxDocument, spdxDocument('app:1', '2024-01-02T03:04:05Z', found))
const subject = [{ name: 'pkg:docker/app@1', digest: { sha256: 'a'.repeat(64) } }]
const statement = { _type: 'https://in-toto.io/Statement/v1', subject, predicateType: 'x', predicate: {} }
const provenance = {
  buildDefinition: {
    buildType: 'x',
    externalParameters: { any: [1] },
    resolvedDependencies: [{ uri: 'x', digest: { sha1: 'b' } }],
  },
  runDetails: {
    builder: { id: '' },
    metadata: { startedOn: '2024-01-02T03:04:05.678Z', buildkit_hermetic: true },
  },
}

test('packages of every manager are in a document that the schema of SPDX allows', () => {
  expect(document.packages).toHaveLength(found.length + 1)
  expect(faultsOf('spdx', document)).toEqual([])
})

test.each([
  ['spdx', { ...document, extra: 1 }],
  ['spdx', { ...document, creationInfo: { created: document.creationInfo.created, creators: [] } }],
  ['spdx', { ...document, packages: [{ ...document.packages[0], downloadLocation: undefined }] }],
  ['spdx', { ...document, packages: [{ ...document.packages[0], primaryPackagePurpose: 'IMAGE' }] }],
  ['spdx', { ...document, relationships: [{ ...document.relationships[0], relationshipType: 'HAS' }] }],
  ['statement', { ...statement, type: statement._type }],
  ['statement', { ...statement, subject: [{ name: 'x', digest: { sha256: 1 } }] }],
  ['statement', { ...statement, subject: [{ ...subject[0], uri: 'x' }] }],
  ['provenance', { ...provenance, metadata: {} }],
  ['provenance', { ...provenance, runDetails: { builder: 'x' } }],
  ['provenance', { ...provenance, runDetails: { metadata: { startedOn: 'yesterday' } } }],
  ['provenance', { ...provenance, buildDefinition: { resolvedDependencies: [{ digest: 'sha1:b' }] } }],
] as const)('a schema of %s finds the fault in %j', (kind, broken) => {
  expect(faultsOf('statement', statement)).toEqual([])
  expect(faultsOf('provenance', provenance)).toEqual([])
  expect(faultsOf(kind, JSON.parse(JSON.stringify(broken)))).not.toEqual([])
})
