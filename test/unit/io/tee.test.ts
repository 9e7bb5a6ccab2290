import { expect, test } from 'vitest'
import { createTee } from '../../../src/io/index.ts'

const signal = new AbortController().signal

async function* from(...pieces: readonly string[]) {
  for (const piece of pieces) yield Buffer.from(piece)
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += Buffer.from(chunk).toString()
  return text
}

test('createTee() gives both the same bytes, and the one who follows no end before their arrival', async () => {
  const tee = createTee(signal)
  let arrive: (() => void) | undefined
  const arrival = new Promise<void>((resolve) => {
    arrive = resolve
  })
  let isOver = false
  const followed = textOf(tee.follow(arrival)).then((text) => {
    isOver = true
    return text
  })
  expect(await textOf(tee.through(from('one ', 'two ', 'three')))).toBe('one two three')
  await new Promise(setImmediate)
  expect(isOver).toBe(false)
  arrive?.()
  expect(await followed).toBe('one two three')
})

test('createTee() tells nothing twice where the way began again', async () => {
  const tee = createTee(signal)
  const broken = async function* () {
    yield* from('one ', 'tw')
    throw new Error('broken')
  }
  await expect(textOf(tee.through(broken()))).rejects.toThrow('broken')
  const arrival = textOf(tee.through(from('on', 'e two ', 'three')))
  expect(await textOf(tee.follow(arrival))).toBe('one two three')
})

test('createTee() fails whom it told the bytes when they do not arrive', async () => {
  const tee = createTee(signal)
  const arrival = textOf(tee.through(from('one'))).then(() => Promise.reject(new Error('refused')))
  await expect(textOf(tee.follow(arrival))).rejects.toThrow('refused')
})

test('createTee() waits for who reads slowly, and for nobody who stopped', async () => {
  const piece = 'x'.repeat(1024 * 1024)
  const pieces = Array.from({ length: 20 }, () => piece)
  const abort = new AbortController()
  for (const stop of [
    (reader: AsyncGenerator<Uint8Array>) => reader.return(undefined),
    () => abort.abort(),
  ]) {
    const tee = createTee(abort.signal)
    let passed = 0
    const arrival = (async () => {
      for await (const chunk of tee.through(from(...pieces))) passed += chunk.length
    })()
    const reader = tee.follow(arrival)
    await reader.next()
    await new Promise(setImmediate)
    expect(passed).toBeLessThan(10 * piece.length)
    void stop(reader)
    await arrival
    expect(passed).toBe(20 * piece.length)
  }
})
