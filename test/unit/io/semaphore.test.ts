import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createSemaphore } from '../../../src/io/index.ts'

const { signal } = new AbortController()

test('a semaphore lets in as many as it may, in order', async () => {
  const semaphore = createSemaphore(2)
  const log: string[] = []
  let inside = 0
  let most = 0
  const task = (name: string) => async () => {
    log.push(name)
    inside += 1
    most = Math.max(most, inside)
    await delay(5)
    inside -= 1
  }
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => semaphore.run(task(name), signal)))
  expect({ log, most }).toEqual({ log: ['a', 'b', 'c', 'd', 'e'], most: 2 })
})

test('a failed task gives its place back', async () => {
  const semaphore = createSemaphore(1)
  await expect(semaphore.run(() => Promise.reject(new Error('x')), signal)).rejects.toThrow('x')
  expect(await semaphore.run(() => Promise.resolve(1), signal)).toBe(1)
})

test('a waiter leaves when its signal is aborted, and blocks nobody', async () => {
  const semaphore = createSemaphore(1)
  const controller = new AbortController()
  const first = semaphore.run(() => delay(10), signal)
  const waiter = semaphore.run(() => Promise.resolve('never'), controller.signal)
  const last = semaphore.run(() => Promise.resolve('last'), signal)
  controller.abort(new Error('gone'))
  await expect(waiter).rejects.toThrow('gone')
  await first
  expect(await last).toBe('last')
})

test('many waiters on one signal are no leak that Node would warn of', async () => {
  const warnings: Error[] = []
  const collect = (warning: Error) => warnings.push(warning)
  process.on('warning', collect)
  try {
    const semaphore = createSemaphore(1)
    const { signal: shared } = new AbortController()
    await Promise.all(Array.from({ length: 40 }, () => semaphore.run(() => delay(0), shared)))
    await delay(0)
    expect(warnings).toEqual([])
  } finally {
    process.off('warning', collect)
  }
})
