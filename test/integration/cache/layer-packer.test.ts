import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { createLayerPacker, createLostLayers, type LayerPackerOptions } from '../../../src/cache/index.ts'
import { createCodec } from '../../../src/codec/index.ts'
import { createOciLayout, storePaths } from '../../../src/store/index.ts'
import { layerOf, recordingJob } from '../../support/sample-image.ts'

const MIB = 1024 * 1024
/** Large enough to be sent while it is made, and not to be made smaller. */
const large = { ...layerOf(randomBytes(33 * MIB), 'uncompressed'), created: '2026-01-01T00:00:00Z' }
const small = { ...layerOf(randomBytes(MIB), 'uncompressed'), created: '2026-01-01T00:00:00Z' }

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

function packerWith(stream: LayerPackerOptions['stream']) {
  const directory = mkdtempSync(join(tmpdir(), 'ossb-packer-'))
  directories.push(directory)
  const paths = storePaths(directory)
  const packer = createLayerPacker(
    {
      paths,
      store: createOciLayout(directory),
      codec: createCodec({ workers: 0 }),
      compression: { type: 'gzip', level: 1 },
      lost: createLostLayers(),
      force: false,
      stream,
    },
    recordingJob(),
  )
  return { paths, packer }
}

test('who reads a layer while it is compressed gets what is stored, and its name', async () => {
  const parts: Uint8Array[] = []
  const names: string[] = []
  const { paths, packer } = packerWith(async ({ bytes, descriptor }) => {
    for await (const part of bytes) parts.push(Buffer.from(part))
    names.push((await descriptor).digest)
  })
  packer.begin(large)
  const { descriptor } = await packer.pack(large)
  await packer[Symbol.asyncDispose]()
  expect(names).toEqual([descriptor.digest])
  expect(Buffer.concat(parts).equals(readFileSync(paths.blob(descriptor.digest)))).toBe(true)
})

test.each([
  ['reads nothing', () => Promise.resolve()],
  [
    'stops reading',
    async ({ bytes }) => {
      for await (const part of bytes) if (part.length > 0) break
    },
  ],
] satisfies [string, NonNullable<LayerPackerOptions['stream']>][])(
  'who %s holds nothing up',
  async (_what, stream) => {
    const { packer } = packerWith(stream)
    packer.begin(large)
    expect((await packer.pack(large)).descriptor.size).toBeGreaterThan(33 * MIB)
  },
)

test('only a large layer of an image is read so', async () => {
  const { packer } = packerWith(() => expect.unreachable())
  packer.begin(small)
  await packer.pack(small)
  await packer.pack(large)
})

test('a tar is packed while it is made, and not again once it has its name', async () => {
  const tar = randomBytes(9 * MIB)
  const layer = { ...layerOf(tar, 'uncompressed'), created: '2026-01-01T00:00:00Z' }
  const sent: string[] = []
  const { paths, packer } = packerWith(async ({ bytes, descriptor }) => {
    for await (const part of bytes) expect(part.length).toBeGreaterThan(0)
    sent.push((await descriptor).digest)
  })
  // Chunks that are used again, as those of a layer are.
  const chunk = Buffer.alloc(MIB)
  async function* chunks() {
    for (let at = 0; at < tar.length; at += MIB) {
      tar.copy(chunk, 0, at)
      yield chunk
    }
  }
  const packed = await packer.packTar?.(chunks())
  packed?.name(layer.diffId)
  const { descriptor } = await packer.pack({
    ...layer,
    open: () => Promise.reject(new Error('read twice')),
  })
  expect(gunzipSync(readFileSync(paths.blob(descriptor.digest))).equals(tar)).toBe(true)
  await packer[Symbol.asyncDispose]()
  expect(sent).toEqual([descriptor.digest])
})
