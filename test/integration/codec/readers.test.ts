import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createCodec } from '../../../src/codec/index.ts'
import { chunksOf, collect, mixedBytes } from '../../support/codec-data.ts'
import { mustRun } from '../../support/command.ts'

const codec = createCodec({ workers: 0 })
const data = mixedBytes(5_000_000)
let directory = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ossb-codec-'))
  await writeFile(join(directory, 'plain'), data)
})
afterAll(() => rm(directory, { recursive: true }))

const PYTHON =
  'import gzip,sys;sys.stdout.write(str(gzip.open(sys.argv[1]).read() == open(sys.argv[2],"rb").read()))'

test.each([1, 6, 9])('gzip and Python read what compress() writes at gzip level %i', async (level) => {
  const file = join(directory, `level-${level}.gz`)
  await writeFile(file, await collect(codec.compress(chunksOf(data), { type: 'gzip', level })))
  await mustRun('gzip', ['-t', file])
  await mustRun('sh', ['-c', 'gzip -dc "$1" | cmp - "$2"', 'sh', file, join(directory, 'plain')])
  expect(await mustRun('python3', ['-c', PYTHON, file, join(directory, 'plain')])).toBe('True')
})

test('decompress() reads what gzip writes at its levels, and several files in a row', async () => {
  for (const level of [1, 6, 9]) {
    const file = join(directory, `by-gzip-${level}.gz`)
    await mustRun('sh', [
      '-c',
      `gzip -${level} -c "$1" > "$2"; gzip -c "$1" >> "$2"`,
      'sh',
      join(directory, 'plain'),
      file,
    ])
    const output = await collect(codec.decompress(chunksOf(await readFile(file), 10_007)))
    expect(output.equals(Buffer.concat([data, data]))).toBe(true)
  }
})

test('zstd reads what compress() writes, and decompress() what zstd writes', async () => {
  const file = join(directory, 'ours.zst')
  await writeFile(file, await collect(codec.compress(chunksOf(data), { type: 'zstd' })))
  await mustRun('sh', ['-c', 'zstd -dc "$1" | cmp - "$2"', 'sh', file, join(directory, 'plain')])
  for (const options of ['-1', '-3 --no-check', '-9', '-19', '--adapt']) {
    const theirs = join(directory, `theirs${options.replace(' ', '')}.zst`)
    await mustRun('sh', ['-c', `zstd -q ${options} -c "$1" > "$2"`, 'sh', join(directory, 'plain'), theirs])
    const output = await collect(codec.decompress(chunksOf(await readFile(theirs), 10_007)))
    expect(output.equals(data), options).toBe(true)
  }
})

test('decompress() refuses a zstd window that is too large, in words', async () => {
  const file = join(directory, 'long.zst')
  await mustRun('sh', [
    '-c',
    'cat "$1" "$1" "$1" | zstd -q --ultra --long=31 -c > "$2"',
    'sh',
    join(directory, 'plain'),
    file,
  ])
  await expect(collect(codec.decompress(chunksOf(await readFile(file))))).rejects.toThrow(
    /^Cannot decompress the zstd data: it refers back 2147483648 bytes, and no more than \d+ can be kept/,
  )
})
