import { expect, test } from 'vitest'
import { spdxDocument } from '../../src/sbom.ts'
import { licenseOf } from '../../src/spdx-license.ts'

test.each(['MIT', '(MIT OR Apache-2.0) AND ISC'])('%s is an expression', (text) => {
  expect(licenseOf(text)).toEqual({ expression: text })
})

test.each(['BSD', 'MIT OR', '(MIT', 'MIT ISC', 'OR', 'MIT)', 'SEE LICENSE IN x'])(
  '"%s" is a text',
  (text) => {
    const { expression, extracted } = licenseOf(text)
    expect(expression).toMatch(/^LicenseRef-[\da-f]{16}$/)
    expect(extracted).toEqual({ licenseId: expression, extractedText: text })
  },
)

test('a document does not depend on the order in which packages are found, and names each place once', () => {
  const one = { type: 'deb', name: 'a', version: '1', purl: 'pkg:deb/debian/a@1', location: '/x' }
  const other = {
    ...one,
    type: 'npm',
    name: 'b',
    purl: 'pkg:npm/b@1',
    supplier: 'A Team <a@b>',
    license: 'BSD',
  }
  const document = spdxDocument('app:1', '2024-01-02T03:04:05.678Z', [one, other, one])
  expect(spdxDocument('app:1', '2024-01-02T03:04:05.678Z', [other, one])).toEqual(document)
  expect(document).toMatchObject({
    creationInfo: { created: '2024-01-02T03:04:05Z' },
    packages: [
      { name: 'app:1' },
      { name: 'a', supplier: 'NOASSERTION', licenseDeclared: 'NOASSERTION' },
      { name: 'b', supplier: 'Organization: A Team (a@b)' },
    ],
    hasExtractedLicensingInfos: [{ extractedText: 'BSD' }],
  })
})
