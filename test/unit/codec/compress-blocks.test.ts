import { setTimeout } from 'node:timers/promises'
import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { type BlockPlan, compressBlocks, type RunTask } from '../../../src/codec/compress-blocks.ts'
import { chunksOf, collect, randomBytes } from '../../support/codec-data.ts'

const copy: RunTask = async ({ input }) => ({ bytes: new Uint8Array(input), crc: 0 })

function planOf(plan: Partial<BlockPlan>): BlockPlan {
  return {
    blockSize: 10,
    dictionarySize: 0,
    inFlight: 3,
    run: copy,
    task: (input, dictionaryLength, final) => ({ type: 'deflate', input, dictionaryLength, final, level: 1 }),
    ...plan,
  }
}

async function* bytesOf(blocks: AsyncIterable<{ readonly bytes: Uint8Array }>) {
  for await (const { bytes } of blocks) yield bytes
}

test('compressBlocks() cuts at the same places however the input is chunked', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 100 }),
      fc.integer({ min: 1, max: 40 }),
      async (data, size) => {
        const seen: number[] = []
        const run: RunTask = async (task) => {
          seen.push(task.input.length)
          return { bytes: new Uint8Array(task.input), crc: 0 }
        }
        const output = await collect(bytesOf(compressBlocks(chunksOf(data, size), planOf({ run }))))
        expect(output).toEqual(Buffer.from(data))
        expect(seen).toEqual([...Array(Math.floor(data.length / 10)).fill(10), data.length % 10])
      },
    ),
  )
})

test('compressBlocks() hands over what came right before a block, and marks the last one', async () => {
  const tasks: object[] = []
  const run: RunTask = async (task) => {
    tasks.push({ ...task, input: Buffer.from(task.input).toString() })
    return { bytes: new Uint8Array(0), crc: 0 }
  }
  const blocks = compressBlocks(
    chunksOf(Buffer.from('abcdefghijklmnopqrstuvwxyz')),
    planOf({ run, dictionarySize: 4 }),
  )
  await collect(bytesOf(blocks))
  expect(tasks).toMatchInlineSnapshot(`
    [
      {
        "dictionaryLength": 0,
        "final": false,
        "input": "abcdefghij",
        "level": 1,
        "type": "deflate",
      },
      {
        "dictionaryLength": 4,
        "final": false,
        "input": "ghijklmnopqrst",
        "level": 1,
        "type": "deflate",
      },
      {
        "dictionaryLength": 4,
        "final": true,
        "input": "qrstuvwxyz",
        "level": 1,
        "type": "deflate",
      },
    ]
  `)
})

test('compressBlocks() gives results in order, whichever is ready first', async () => {
  const run: RunTask = async ({ input }) => {
    await setTimeout((255 - (input[0] ?? 0)) / 8)
    return { bytes: new Uint8Array(input), crc: 0 }
  }
  const data = randomBytes(300)
  expect(await collect(bytesOf(compressBlocks(chunksOf(data), planOf({ run, inFlight: 8 }))))).toEqual(data)
})

test('compressBlocks() reads no further than its blocks in flight while nobody takes results', async () => {
  let read = 0
  const source = async function* () {
    for (; read < 1000; read++) yield new Uint8Array(10)
  }
  const blocks = compressBlocks(source(), planOf({ inFlight: 3 }))
  await blocks.next()
  await setTimeout(5)
  expect(read).toBeLessThanOrEqual(3)
  await blocks.return()
})

test('compressBlocks() ends the source and aborts its tasks when the consumer stops', async () => {
  const ended = vi.fn()
  const signals: AbortSignal[] = []
  const source = async function* () {
    try {
      for (;;) yield new Uint8Array(10)
    } finally {
      ended()
    }
  }
  const run: RunTask = async (task, signal) => {
    signals.push(signal)
    return copy(task, signal)
  }
  for await (const _block of compressBlocks(source(), planOf({ run }))) break
  expect(ended).toHaveBeenCalledOnce()
  expect(signals.map((signal) => signal.aborted)).toEqual(signals.map(() => true))
})

test('compressBlocks() passes on the error of its source and leaves no rejection behind', async () => {
  const source = async function* () {
    yield new Uint8Array(25)
    throw new Error('the disk is gone')
  }
  const run: RunTask = async () => {
    await setTimeout(1)
    throw new Error('not looked at')
  }
  await expect(collect(bytesOf(compressBlocks(source(), planOf({ run }))))).rejects.toThrow(
    'the disk is gone',
  )
  await setTimeout(5)
})

test('compressBlocks() passes on the error of a task', async () => {
  const run: RunTask = async () => {
    throw new Error('no memory')
  }
  await expect(collect(bytesOf(compressBlocks(chunksOf(randomBytes(95)), planOf({ run }))))).rejects.toThrow(
    'no memory',
  )
})
