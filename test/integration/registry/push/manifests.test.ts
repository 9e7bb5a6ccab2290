import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { digestOf, MEDIA_TYPE } from '../../../../src/core/index.ts'
import { copy } from '../../../../src/registry/index.ts'
import { endLabs, pushLab, sampleBlob } from '../../../support/push-lab.ts'
import { addImage, addIndex, memoryRepository, recordingJob } from '../../../support/registry-image.ts'
import { problem } from '../../../support/upload-registry-content.ts'

endLabs()

const PUT_MANIFEST = { method: 'PUT', path: /\/manifests\// }
const PUT_TAG = { method: 'PUT', path: /\/manifests\/v1$/ }
const once = { times: 1 }
const status = (code: number, body = '') => ({ type: 'status', status: code, body }) as const
const refusal = (code: number, name: string) => status(code, problem(code, name).body.toString())

type Lab = Awaited<ReturnType<typeof pushLab>>

/** Pushes an image of one layer and gives it the tag "v1". */
async function push({ remote, job }: Pick<Lab, 'remote' | 'job'>) {
  const source = memoryRepository()
  const image = addImage(source, [20_000])
  await copy(source, remote, image, job)
  await remote.tag(image, 'v1', job)
  return { source, image }
}

const tagged = (lab: Lab) => digestOf(lab.registry.content.manifests.get('r/x v1')?.bytes ?? '')

describe('D11: the answer to a manifest', () => {
  test.each([
    ['503', PUT_MANIFEST, status(503)],
    ['503', PUT_TAG, status(503)],
    ['429', PUT_MANIFEST, status(429)],
  ] as const)('%s to %o: it is sent again', async (_name, rule, fault) => {
    const lab = await pushLab({ rules: [{ ...rule, ...once, fault }] })
    const { image } = await push(lab)
    expect(tagged(lab)).toBe(image.digest)
    expect(lab.registry.lines('PUT').filter((line) => line.includes('manifests'))).toHaveLength(3)
  })

  test.each([PUT_MANIFEST, PUT_TAG])(
    'lost, to %o: it is found to be there, and not sent again',
    async (rule) => {
      const lab = await pushLab({ rules: [{ ...rule, ...once, fault: { type: 'lost' } }] })
      const { image } = await push(lab)
      expect(tagged(lab)).toBe(image.digest)
      expect(lab.registry.lines('PUT').filter((line) => line.includes('manifests'))).toEqual([
        'PUT manifests/D',
        'PUT manifests/v1',
      ])
    },
  )

  test('never given: it ends after the second time', async () => {
    const lab = await pushLab({ commitMs: 300, rules: [{ ...PUT_TAG, fault: { type: 'deaf' } }] })
    await expect(push(lab)).rejects.toMatchObject({
      code: 'ERR_OSSB_NETWORK',
      message: expect.stringMatching(/^Cannot give sha256:\w+ the tag "v1" in .*UND_ERR_HEADERS_TIMEOUT/),
    })
    expect(lab.registry.lines('PUT').filter((line) => line.endsWith('v1'))).toHaveLength(2)
    expect(lab.registry.content.manifests.has('r/x v1')).toBe(false)
  })
})

describe('D12: MANIFEST_BLOB_UNKNOWN', () => {
  test('a blob that the registry lost meanwhile is sent again, alone, and the manifest once more', async () => {
    const lab = await pushLab()
    const source = memoryRepository()
    const image = addImage(source, [20_000, 30_000])
    const large = [...source.contents].find(([, bytes]) => bytes.length === 30_000)?.[0] ?? ''
    lab.registry.strike({
      method: 'HEAD',
      path: new RegExp(large),
      times: 1,
      fault: { type: 'status', status: 200 },
    })
    await copy(source, lab.remote, image, lab.job)
    expect(lab.registry.lines().slice(-4)).toEqual([
      'PUT manifests/D',
      'POST uploads',
      expect.stringMatching(/^PUT upload/),
      'PUT manifests/D',
    ])
    expect(lab.sent()).toBe([...source.contents].slice(0, 3).reduce((sum, [, { length }]) => sum + length, 0))
  })

  test('the child of an index too', async () => {
    const lab = await pushLab()
    const source = memoryRepository()
    const child = addImage(source, [1000])
    const index = addIndex(source, [child])
    await copy(source, lab.remote, child, lab.job)
    lab.registry.content.manifests.clear()
    const bytes = source.contents.get(index.digest)
    await lab.remote.put(index, () => Promise.resolve(Readable.from([bytes])), lab.job)
    expect(lab.registry.content.manifests.has(`r/x ${child.digest}`)).toBe(true)
    expect(lab.registry.content.manifests.has(`r/x ${index.digest}`)).toBe(true)
  })

  test('again: it ends', async () => {
    const lab = await pushLab()
    const { blob } = sampleBlob(10)
    const body = problem(400, 'MANIFEST_BLOB_UNKNOWN', { digest: blob.digest }).body.toString()
    lab.registry.strike({ ...PUT_MANIFEST, fault: status(400, body) })
    await expect(push(lab)).rejects.toMatchObject({
      message: expect.stringContaining('400 MANIFEST_BLOB_UNKNOWN'),
    })
    expect(lab.registry.lines('PUT').filter((line) => line.includes('manifests'))).toHaveLength(1)
  })
})

/** What registries say of tags that may not move; shortened to what is theirs. */
const IMMUTABLE: readonly (readonly [string, number, string])[] = [
  [
    'ECR',
    400,
    `{"errors":[{"code":"TAG_INVALID","message":"The image tag 'v1' already exists in the 'x' repository and cannot be overwritten because the tag is immutable."}]}`,
  ],
  [
    'ECR before',
    400,
    `{"errors":[{"code":"TAG_INVALID","message":"The image tag 'v1' already exists in the 'x' repository and cannot be overwritten because the repository is immutable."}]}`,
  ],
  [
    'Google Artifact Registry',
    400,
    '{"errors":[{"code":"MANIFEST_INVALID","message":"The repository has enabled tag immutability"}]}',
  ],
  [
    'Harbor',
    412,
    `{"errors":[{"code":"PRECONDITION","message":"Failed to process request due to 'x:v1' configured as immutable."}]}`,
  ],
  ['a registry with 409', 409, '{"errors":[{"code":"DENIED","message":"tag v1 is immutable"}]}'],
]

describe('D13: a tag that may not move', () => {
  const locked = (code: number, body: string) => pushLab({ immutableTags: { status: code, body } })

  test.each(IMMUTABLE)('%s: to another image is an error that says so', async (_name, code, body) => {
    const lab = await locked(code, body)
    const { image: first } = await push(lab)
    await expect(push(lab)).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringMatching(
        `^Cannot give sha256:\\w+ the tag "v1" in "${lab.registry.host}/r/x": the tag can't be changed, and stands for ${first.digest}: ${code} `,
      ),
      hint: expect.stringContaining('--push-ignore-immutable-tag-errors'),
    })
    expect(tagged(lab)).toBe(first.digest)
  })

  test.each(IMMUTABLE)(
    '%s: is left as it is where that is wanted, with a warning',
    async (_name, code, body) => {
      const lab = await locked(code, body)
      const { image: first } = await push(lab)
      const skipped: string[] = []
      const remote = lab.client.repository(
        { registry: lab.registry.host, repository: 'r/x' },
        { skipImmutableTag: (tag) => skipped.push(tag) },
      )
      const job = recordingJob()
      await push({ remote, job })
      expect(skipped).toEqual(['v1'])
      expect(job.events.filter(({ type }) => type === 'warning')).toMatchObject([
        { rule: 'ImmutableTag', message: expect.stringContaining("the tag can't be changed") },
      ])
      expect(tagged(lab)).toBe(first.digest)
    },
  )

  test.each(IMMUTABLE)('%s: the same image again is a success', async (_name, code, body) => {
    const lab = await pushLab()
    const { image } = await push(lab)
    // Some registries refuse each push of such a tag, whatever it is of.
    lab.registry.strike({ ...PUT_TAG, fault: status(code, body) })
    await lab.remote.tag(image, 'v1', lab.job)
    expect(lab.registry.lines().slice(-2)).toEqual(['PUT manifests/v1', 'HEAD manifests/v1'])
  })

  test('another refusal of a tag stays what it is', async () => {
    const lab = await pushLab()
    await push(lab)
    lab.registry.strike({ ...PUT_TAG, fault: refusal(403, 'DENIED') })
    await expect(push(lab)).rejects.toMatchObject({
      code: 'ERR_OSSB_UNAUTHORIZED',
      message: expect.stringContaining('403 DENIED'),
    })
  })
})

describe('D14: a registry that takes no push', () => {
  const POST = { method: 'POST' }
  test.each([
    ['a read-only one', 405, 'UNSUPPORTED', 'The registry takes no pushes: it is read-only, or a mirror'],
    ['one without the repository', 404, 'NAME_UNKNOWN', 'create it first'],
    ['one that denies it', 403, 'DENIED', 'These credentials may not push there'],
    ['a full disk', 507, 'UNKNOWN', 'ask for a larger quota'],
    ['a quota', 412, 'PRECONDITION', 'ask for a larger quota'],
  ])('%s: it ends at once, with a hint of its own', async (_name, code, name, hint) => {
    const lab = await pushLab({ rules: [{ ...POST, fault: refusal(code, name) }] })
    await expect(push(lab)).rejects.toMatchObject({
      message: expect.stringContaining(`${code} ${name}`),
      hint: expect.stringContaining(hint),
    })
    // One for the layer and one for the config, which go side by side.
    expect(lab.registry.lines('POST').length).toBeLessThanOrEqual(2)
    expect(lab.clock.slept).toEqual([])
  })

  test.each([
    ['MANIFEST_INVALID', 400],
    ['UNSUPPORTED', 405],
    ['UNKNOWN', 415],
  ])('%s to a manifest of OCI: the hint is the other format', async (name, code) => {
    const lab = await pushLab({ rules: [{ ...PUT_MANIFEST, fault: refusal(code, name) }] })
    await expect(push(lab)).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringContaining(`Cannot push a manifest of type ${MEDIA_TYPE.ociManifest}`),
      hint: expect.stringContaining('--image-format docker'),
    })
  })
})

test.each(['manifests/sha256', 'manifests/v1'])(
  'D15: %s stored with another digest is an error',
  async (path) => {
    const wrong = `sha256:${'0'.repeat(64)}`
    const lab = await pushLab({
      rules: [
        {
          method: 'PUT',
          path: new RegExp(path),
          fault: { type: 'amend', headers: { 'docker-content-digest': wrong } },
        },
      ],
    })
    await expect(push(lab)).rejects.toMatchObject({
      code: 'ERR_OSSB_REGISTRY',
      message: expect.stringContaining(`the registry stored it as ${wrong}`),
      hint: 'The registry, or a proxy in front of it, changed the manifest.',
    })
  },
)
