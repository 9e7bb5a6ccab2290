import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { array, assert, asyncProperty, integer, nat, tuple } from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createCodec, UnsupportedDataError } from '../../../src/codec/index.ts'
import { OssbError } from '../../../src/core/index.ts'
import { chunksOf, collect, mixedBytes } from '../../support/codec-data.ts'
import { mustRun } from '../../support/command.ts'

const codec = createCodec({ workers: 0 })
const data = mixedBytes(1_500_000)
let directory = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ossb-codec-'))
  await writeFile(join(directory, 'plain'), data)
})
afterAll(() => rm(directory, { recursive: true }))

/** What a shell command makes of the file `$1`. */
async function made(script: string, file = join(directory, 'plain')): Promise<Buffer> {
  const out = join(directory, 'out')
  await mustRun('sh', ['-c', `{ ${script}; } > "$2"`, 'sh', file, out])
  return await readFile(out)
}

const decompressed = (bytes: Uint8Array, size = 10_007): Promise<Buffer> =>
  collect(codec.decompress(chunksOf(bytes, size)))

describe('decompress()', () => {
  test.each([
    ['bzip2 -1', 'bzip2 -1 -c "$1"', [data]],
    ['bzip2 -9', 'bzip2 -9 -c "$1"', [data]],
    [
      'bzip2 of a part, thrice in a row',
      'for i in 1 2 3; do head -c 100000 "$1" | bzip2 -c; done',
      [1, 2, 3],
    ],
    ['bzip2 of nothing', 'bzip2 -c < /dev/null', []],
    ['bzip2 and zeros', 'bzip2 -c "$1"; head -c 10240 /dev/zero', [data]],
    ['xz -0', 'xz -0 -c "$1"', [data]],
    ['xz -9e', 'xz -9e -c "$1"', [data]],
    ['xz in blocks', 'xz -T2 --block-size=500KiB -c "$1"', [data]],
    ['xz --check=crc32', 'xz --check=crc32 -c "$1"', [data]],
    ['xz --check=none', 'xz --check=none -c "$1"', [data]],
    ['xz twice, and padding', 'xz -c "$1"; xz -c "$1"; head -c 8 /dev/zero', [data, data]],
    ['xz of nothing', 'xz -c < /dev/null', []],
  ])('reads %s', async (_name, script, parts) => {
    const expected = Buffer.concat(
      parts.map((part) => (typeof part === 'number' ? data.subarray(0, 100_000) : part)),
    )
    expect((await decompressed(await made(script))).equals(expected)).toBe(true)
  })

  test('reads what bzip2 makes of runs of any length, in chunks of any size', async () => {
    const runs = array(tuple(integer({ min: 0, max: 2 }), integer({ min: 1, max: 700 })), {
      maxLength: 40,
    })
    await assert(
      asyncProperty(runs, integer({ min: 1, max: 300 }), async (parts, size) => {
        const plain = Buffer.concat(parts.map(([value, length]) => Buffer.alloc(length, value)))
        await writeFile(join(directory, 'runs'), plain)
        const bytes = await made('bzip2 -c "$1"', join(directory, 'runs'))
        expect((await decompressed(bytes, size)).equals(plain)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  test.each(['bzip2', 'xz'])('never takes damaged %s data for whole', async (tool) => {
    const whole = await made(`head -c 60000 "$1" | ${tool} -c`)
    const plain = data.subarray(0, 60_000)
    await assert(
      asyncProperty(nat(whole.length - 1), integer({ min: 1, max: 255 }), async (at, change) => {
        const damaged = Buffer.from(whole)
        damaged[at] = (damaged[at] ?? 0) ^ change
        const outcome = await decompressed(damaged).catch((error: unknown) => error)
        // Damage of the first bytes makes it a file like any other.
        const isRight = outcome instanceof Buffer && (outcome.equals(plain) || outcome.equals(damaged))
        expect(isRight || (outcome instanceof OssbError && outcome.code === 'ERR_OSSB_CODEC')).toBe(true)
      }),
      { numRuns: 300 },
    )
    for (const length of [20, 1000, whole.length - 1])
      await expect(decompressed(whole.subarray(0, length))).rejects.toThrow(/ends too early/)
  })

  test.each([
    [
      'a check that is not supported',
      'xz --check=sha256 -c "$1"',
      /a filter or a check that is not supported/,
    ],
    [
      'a filter that is not supported',
      'xz --x86 --lzma2 -c "$1"',
      /a filter or a check that is not supported/,
    ],
    ['a dictionary that is too large', 'xz --lzma2=dict=1536MiB -c "$1"', /its dictionary is too large/],
  ])('says that sound xz data has %s', async (_name, script, message) => {
    const outcome = await decompressed(await made(script)).catch((error: unknown) => error)
    expect(outcome).toBeInstanceOf(UnsupportedDataError)
    expect(String(outcome)).toMatch(message)
  })

  test('says that other data follows bzip2 data', async () => {
    await expect(decompressed(await made('bzip2 -c "$1"; echo more'))).rejects.toThrow(
      /other data follows its end/,
    )
  })

  test.each([
    ['bzip2', 'head -c 100000000 /dev/zero | bzip2 -c'],
    ['xz', 'head -c 100000000 /dev/zero | xz -0 -c'],
  ])(
    'keeps its memory when little %s data becomes very much',
    async (_name, script) => {
      const bytes = await made(script)
      const before = process.memoryUsage().rss
      let most = 0
      let size = 0
      for await (const chunk of codec.decompress(chunksOf(bytes))) {
        size += chunk.length
        most = Math.max(most, process.memoryUsage().rss - before)
      }
      expect(size).toBe(100_000_000)
      expect(most).toBeLessThan(200e6)
    },
    60_000,
  )

  test('two xz streams at once are read one after the other', async () => {
    const bytes = await made('xz -c "$1"')
    const outputs = await Promise.all([decompressed(bytes), decompressed(bytes), decompressed(bytes)])
    expect(outputs.every((output) => output.equals(data))).toBe(true)
  })

  test.each(['bzip2', 'xz'])(
    'lets go of %s data when no more is wanted, and of a failing source',
    async (tool) => {
      const bytes = await made(`${tool} -c "$1"`)
      let closed = 0
      async function* source() {
        try {
          yield* chunksOf(bytes, 1000)
        } finally {
          closed += 1
        }
      }
      for await (const _chunk of codec.decompress(source())) break
      expect(closed).toBe(1)
      async function* failing() {
        yield bytes.subarray(0, 5000)
        throw new OssbError('ERR_OSSB_NETWORK', 'gone')
      }
      await expect(collect(codec.decompress(failing()))).rejects.toThrow('gone')
      expect((await decompressed(bytes)).equals(data)).toBe(true)
    },
  )
})
