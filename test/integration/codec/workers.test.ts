import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { beforeAll, expect, test } from 'vitest'
import { createCodec as createInThread } from '../../../src/codec/index.ts'
import { chunksOf, collect, mixedBytes, randomBytes } from '../../support/codec-data.ts'
import { runCommand } from '../../support/command.ts'

const DIST = new URL('../../../dist/codec/index.js', import.meta.url)
const MIB = 1024 * 1024

let createCodec: typeof createInThread

beforeAll(async () => {
  await access(DIST).catch(() => {
    throw new Error(`${DIST.pathname} is missing: run "npm run build" first`)
  })
  const built = (await import(DIST.href)) as { readonly createCodec: typeof createInThread }
  createCodec = built.createCodec
})

// The tool adds a checksum to each frame; without one, a changed literal is a valid frame of other content.
const withChecksum = (data: Uint8Array): Buffer =>
  execFileSync('zstd', ['-q', '-c'], { input: data, maxBuffer: 64 * MIB })

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

test.each(['gzip', 'zstd'] as const)('%s: no worker, 1, 2, 4 and 8 give the same bytes', async (type) => {
  const data = Buffer.concat([mixedBytes(9 * MIB), randomBytes(3 * MIB + 77)])
  const expected = sha256(await collect(createInThread().compress(chunksOf(data), { type })))
  for (const workers of [0, 1, 2, 4, 8]) {
    await using codec = createCodec({ workers })
    const compressed = await collect(codec.compress(chunksOf(data, 100_000 + workers), { type }))
    expect(sha256(compressed), `${workers} workers`).toBe(expected)
    expect((await collect(codec.decompress(chunksOf(compressed)))).equals(data)).toBe(true)
  }
})

test('layers compressed at the same time do not disturb each other', async () => {
  await using codec = createCodec({ workers: 2 })
  const layers = [0.3, 0.5, 1, 2.7, 4].map((size, seed) => mixedBytes(Math.floor(size * MIB), seed))
  const compressed = await Promise.all(
    layers.map((data) => collect(codec.compress(chunksOf(data), { type: 'gzip' }))),
  )
  for (const [index, data] of layers.entries()) {
    expect(gunzipSync(compressed[index] ?? '').equals(data)).toBe(true)
  }
})

test('a consumer that stops, and a source that fails, leave the codec usable', async () => {
  await using codec = createCodec({ workers: 2 })
  const data = mixedBytes(8 * MIB)
  for (let round = 0; round < 5; round++) {
    for await (const _bytes of codec.compress(chunksOf(data), { type: 'gzip' })) break
    const failing = async function* () {
      yield* chunksOf(data.subarray(0, 5 * MIB))
      throw new Error('the source is gone')
    }
    await expect(collect(codec.compress(failing(), { type: 'gzip' }))).rejects.toThrow('the source is gone')
  }
  expect(gunzipSync(await collect(codec.compress(chunksOf(data), { type: 'gzip' }))).equals(data)).toBe(true)
})

test('a closed codec refuses work and lets nobody wait', async () => {
  const codec = createCodec({ workers: 1 })
  const running = collect(codec.compress(chunksOf(mixedBytes(20 * MIB)), { type: 'gzip' }))
  running.catch(() => undefined)
  await setTimeout(30)
  await codec[Symbol.asyncDispose]()
  await expect(running).rejects.toMatchObject({ code: 'ERR_OSSB_CODEC' })
  await expect(collect(codec.compress(chunksOf(mixedBytes(2 * MIB)), { type: 'gzip' }))).rejects.toThrow(
    'closed',
  )
})

test('a hundred zstd streams, and twenty that are cut off, do not use up the library', async () => {
  await using codec = createCodec({ workers: 2 })
  const data = mixedBytes(MIB)
  const compressed = await collect(codec.compress(chunksOf(data), { type: 'zstd' }))
  for (let round = 0; round < 100; round++) {
    if (round % 5 === 0) for await (const _bytes of codec.decompress(chunksOf(compressed))) break
    expect((await collect(codec.compress(chunksOf(data), { type: 'zstd' }))).equals(compressed)).toBe(true)
    if (round % 10 === 0)
      expect((await collect(codec.decompress(chunksOf(compressed)))).equals(data)).toBe(true)
  }
})

test('corrupt zstd data is an error, from whichever thread, and hurts no one else', async () => {
  await using codec = createCodec({ workers: 1 })
  const data = mixedBytes(MIB)
  const compressed = withChecksum(data)
  for (const at of [1000, 1001, 50_000]) {
    const broken = Buffer.from(compressed)
    broken[at] = (broken[at] ?? 0) ^ 0x55
    await expect(collect(codec.decompress(chunksOf(broken)))).rejects.toThrow(
      /^Cannot decompress the zstd data: /,
    )
  }
  expect((await collect(codec.decompress(chunksOf(compressed)))).equals(data)).toBe(true)
})

const script = (body: string): string[] => [
  '--input-type=module',
  '--eval',
  `import { createCodec } from ${JSON.stringify(DIST.href)}
   const codec = createCodec({ workers: 2 })
   async function* source() { for (let i = 0; i < 64; i++) yield Buffer.alloc(65536, i) }
   ${body}`,
]

test('workers keep the process alive while they work, and no longer', async () => {
  const body = `let size = 0
   for await (const bytes of codec.compress(source(), { type: 'gzip' })) size += bytes.length
   console.log(size > 1000 ? 'done' : size)`
  const result = await runCommand(process.execPath, script(body), { timeout: 20_000 })
  expect(result).toEqual({ status: 0, signal: null, stdout: 'done\n', stderr: '' })
})

test('an abandoned stream leaves a process that ends by itself, without a complaint', async () => {
  const body = `for await (const bytes of codec.compress(source(), { type: 'gzip' })) if (bytes.length > 10) break
   console.log('left')`
  const result = await runCommand(process.execPath, script(body), { timeout: 20_000 })
  expect(result).toEqual({ status: 0, signal: null, stdout: 'left\n', stderr: '' })
})
