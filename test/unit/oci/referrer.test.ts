import { describe, expect, test } from 'vitest'
import { type Descriptor, type Digest, digestOf, MEDIA_TYPE } from '../../../src/core/index.ts'
import { referralOf, referrersTag } from '../../../src/oci/index.ts'

const subject = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf('subject'), size: 7 }
const config = { mediaType: 'application/vnd.example.config', digest: digestOf('{}'), size: 2 }

function documentOf(content: object, mediaType: string = MEDIA_TYPE.ociManifest) {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...content }))
  const descriptor: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
  return { bytes, descriptor }
}

describe('referralOf()', () => {
  test.each([
    ['its artifact type', { artifactType: 'a/b', config, layers: [], subject }, 'a/b'],
    ['that of its config', { config, layers: [], subject }, config.mediaType],
    [
      'that of its config where its own is empty',
      { artifactType: '', config, layers: [], subject },
      config.mediaType,
    ],
  ])('names a manifest by %s', (_what, content, artifactType) => {
    const { bytes, descriptor } = documentOf(content)
    expect(referralOf(descriptor, bytes)).toEqual({
      subject: subject.digest,
      referrer: { ...descriptor, artifactType },
    })
  })

  test('takes the annotations of the document, and not those of the descriptor', () => {
    const { bytes, descriptor } = documentOf(
      { manifests: [], subject, annotations: { a: '1' } },
      MEDIA_TYPE.ociIndex,
    )
    const named = { ...descriptor, annotations: { 'org.opencontainers.image.ref.name': 'v1' } }
    expect(referralOf(named, bytes)?.referrer).toEqual({ ...descriptor, annotations: { a: '1' } })
  })

  test.each([
    ['a manifest without a subject', { config, layers: [] }, MEDIA_TYPE.ociManifest],
    ['a layer', { subject }, MEDIA_TYPE.ociLayer],
  ])('%s refers to nothing', (_what, content, mediaType) => {
    const { bytes, descriptor } = documentOf(content, mediaType)
    expect(referralOf(descriptor, bytes)).toBeUndefined()
  })
})

test.each([
  [`sha256:${'a'.repeat(64)}`, `sha256-${'a'.repeat(64)}`],
  [`sha512:${'b'.repeat(128)}`, `sha512-${'b'.repeat(64)}`],
  [`sha256+b64u:${'c'.repeat(43)}=`, `sha256-b64u-${'c'.repeat(43)}-`],
  [`${'d'.repeat(40)}:e`, `${'d'.repeat(32)}-e`],
])('referrersTag() of %s is a tag', (digest, tag) => {
  expect(referrersTag(digest as Digest)).toBe(tag)
})
