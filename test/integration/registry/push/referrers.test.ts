import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { type Descriptor, type Digest, digestOf, MEDIA_TYPE } from '../../../../src/core/index.ts'
import { copy } from '../../../../src/registry/index.ts'
import { endLabs, pushLab } from '../../../support/push-lab.ts'
import { addImage, memoryRepository } from '../../../support/registry-image.ts'

endLabs()

type Lab = Awaited<ReturnType<typeof pushLab>>

const EMPTY = Buffer.from('{}')
const CONFIG = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(EMPTY), size: 2 }
const SIGNATURE = 'application/vnd.example.signature'
const SBOM = 'application/vnd.example.sbom'

/** Pushes a manifest that refers to another one. */
async function refer(
  lab: Lab,
  subject: Descriptor,
  more: Readonly<Record<string, unknown>> = { artifactType: SIGNATURE },
  repository = lab.remote,
): Promise<Descriptor> {
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: CONFIG,
    layers: [],
    subject,
    ...more,
  }
  const bytes = Buffer.from(JSON.stringify(manifest))
  const descriptor = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf(bytes), size: bytes.length }
  await repository.put(CONFIG, () => Promise.resolve(Readable.from([EMPTY])), lab.job)
  await repository.put(descriptor, () => Promise.resolve(Readable.from([bytes])), lab.job)
  return descriptor
}

async function subjectIn(lab: Lab): Promise<Descriptor> {
  const source = memoryRepository()
  const image = addImage(source, [1000])
  await copy(source, lab.remote, image, lab.job)
  return image
}

const tagOf = (digest: Digest) => digest.replace(':', '-')
const puts = (lab: Lab, digest: Digest) =>
  lab.registry.lines('PUT').filter((line) => line.includes(tagOf(digest)))

describe('a registry with the referrers API', () => {
  test('is asked for all pages, and nothing else is written', async () => {
    const lab = await pushLab({ referrersPage: 2 })
    const image = await subjectIn(lab)
    const all: string[] = []
    for (const n of [1, 2, 3, 4, 5])
      all.push((await refer(lab, image, { artifactType: SIGNATURE, annotations: { n: String(n) } })).digest)
    const found = await lab.remote.referrers(image.digest, lab.job)
    expect(found.map(({ digest }) => digest)).toEqual(all)
    expect(lab.registry.lines('GET').filter((line) => line.includes('referrers'))).toHaveLength(3)
    expect(puts(lab, image.digest)).toEqual([])
  })

  test('that does not filter by artifact type is filtered here', async () => {
    const lab = await pushLab({ referrersPage: 10 })
    const image = await subjectIn(lab)
    await refer(lab, image)
    const sbom = await refer(lab, image, { artifactType: SBOM })
    const found = await lab.remote.referrers(image.digest, lab.job, { artifactType: SBOM })
    expect(found.map(({ digest }) => digest)).toEqual([sbom.digest])
    expect(lab.registry.seen.at(-1)?.path).toContain(`artifactType=${encodeURIComponent(SBOM)}`)
  })

  test('knows nothing of a subject that nothing refers to', async () => {
    const lab = await pushLab({ referrersPage: 10 })
    expect(await lab.remote.referrers(digestOf('nothing'), lab.job)).toEqual([])
  })
})

describe('D20: a registry without OCI-Subject', () => {
  test('and without a list: one is made, by the tag', async () => {
    const lab = await pushLab()
    const image = await subjectIn(lab)
    const annotations = { 'org.example.by': 'alice' }
    const signature = await refer(lab, image, { artifactType: SIGNATURE, annotations })
    const list = lab.registry.content.manifests.get(`r/x ${tagOf(image.digest)}`)
    expect(list?.mediaType).toBe(MEDIA_TYPE.ociIndex)
    expect(JSON.parse(list?.bytes.toString() ?? '')).toEqual({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociIndex,
      manifests: [{ ...signature, artifactType: SIGNATURE, annotations }],
    })
    expect(await lab.remote.referrers(image.digest, lab.job)).toEqual([
      { ...signature, artifactType: SIGNATURE, annotations },
    ])
  })

  test('a manifest without an artifact type is listed by that of its config', async () => {
    const lab = await pushLab()
    const image = await subjectIn(lab)
    await refer(lab, image, {})
    expect(await lab.remote.referrers(image.digest, lab.job)).toMatchObject([
      { artifactType: CONFIG.mediaType },
    ])
  })

  test('a list that is there grows, each referrer once', async () => {
    const lab = await pushLab()
    const image = await subjectIn(lab)
    const first = await refer(lab, image)
    await refer(lab, image)
    const second = await refer(lab, image, { artifactType: SBOM })
    const found = await lab.remote.referrers(image.digest, lab.job)
    expect(found.map(({ digest }) => digest)).toEqual([first.digest, second.digest])
    expect(await lab.remote.referrers(image.digest, lab.job, { artifactType: SBOM })).toHaveLength(1)
    expect(puts(lab, image.digest)).toHaveLength(2)
  })

  test('a registry that has the API and does not say so gets no list', async () => {
    const lab = await pushLab({
      referrersPage: 10,
      rules: [
        { method: 'PUT', path: /manifests/, fault: { type: 'amend', headers: { 'oci-subject': undefined } } },
      ],
    })
    const image = await subjectIn(lab)
    await refer(lab, image)
    expect(puts(lab, image.digest)).toEqual([])
    expect(await lab.remote.referrers(image.digest, lab.job)).toHaveLength(1)
  })

  test('a tag that is no list is left alone, with a warning', async () => {
    const lab = await pushLab()
    const image = await subjectIn(lab)
    await lab.remote.tag(image, tagOf(image.digest), lab.job)
    await refer(lab, image)
    expect(lab.job.events.filter(({ type }) => type === 'warning')).toMatchObject([
      { rule: 'ReferrersNotListed', message: expect.stringContaining(`is a ${MEDIA_TYPE.ociManifest}`) },
    ])
    expect(puts(lab, image.digest)).toHaveLength(1)
    expect(await lab.remote.referrers(image.digest, lab.job)).toEqual([])
  })

  test('another client writes the list at the same time: it is read again, and both are in it', async () => {
    const lab = await pushLab()
    const image = await subjectIn(lab)
    const theirs = {
      mediaType: MEDIA_TYPE.ociManifest,
      digest: digestOf('theirs'),
      size: 6,
      artifactType: SBOM,
    }
    const key = `r/x ${tagOf(image.digest)}`
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [theirs] }),
    )
    // As soon as ours is written, theirs is written over it, by one who has not seen it.
    let undone = false
    const { manifests } = lab.registry.content
    const set = manifests.set.bind(manifests)
    manifests.set = (name, stored) => {
      set(name, stored)
      if (name !== key || undone) return manifests
      undone = true
      return set(name, { mediaType: MEDIA_TYPE.ociIndex, bytes })
    }
    const ours = await refer(lab, image)
    const found = await lab.remote.referrers(image.digest, lab.job)
    expect(found.map(({ digest }) => digest)).toEqual([theirs.digest, ours.digest])
    expect(puts(lab, image.digest)).toHaveLength(2)
  })

  test('that is undone each time ends with an error', async () => {
    const lab = await pushLab()
    const image = await subjectIn(lab)
    lab.registry.strike({
      method: 'PUT',
      path: new RegExp(tagOf(image.digest)),
      fault: { type: 'status', status: 201 },
    })
    await expect(refer(lab, image)).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringContaining(`others changed the tag "${tagOf(image.digest)}" at the same time`),
    })
    expect(puts(lab, image.digest)).toHaveLength(8)
  })

  test('several referrers of one client at once are all in the list', async () => {
    const lab = await pushLab()
    const image = await subjectIn(lab)
    const all = await Promise.all(
      [1, 2, 3, 4].map((n) => refer(lab, image, { annotations: { n: String(n) } })),
    )
    const found = await lab.remote.referrers(image.digest, lab.job)
    expect(found.map(({ digest }) => digest).sort()).toEqual(all.map(({ digest }) => digest).sort())
  })

  test('a referrer that is removed is no longer listed', async () => {
    const lab = await pushLab()
    const image = await subjectIn(lab)
    const first = await refer(lab, image)
    const second = await refer(lab, image, { artifactType: SBOM })
    await lab.remote.remove(first.digest, lab.job)
    const found = await lab.remote.referrers(image.digest, lab.job)
    expect(found.map(({ digest }) => digest)).toEqual([second.digest])
    expect(lab.registry.content.manifests.has(`r/x ${first.digest}`)).toBe(false)
  })
})
