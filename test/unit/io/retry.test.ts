import { expect, test } from 'vitest'
import { type Clock, type RetryOptions, retry } from '../../../src/io/index.ts'

const { signal } = new AbortController()

function lab(random = 1): { slept: number[]; options: RetryOptions } {
  const slept: number[] = []
  const clock: Clock = {
    now: () => 0,
    random: () => random,
    sleep: (ms) => {
      slept.push(ms)
      return Promise.resolve()
    },
  }
  return { slept, options: { clock, attempts: 6, baseMs: 500, maxMs: 3000, advise: () => ({}) } }
}

const failing = (times: number) => {
  const calls: number[] = []
  const operation = (attempt: number) => {
    calls.push(attempt)
    return attempt <= times ? Promise.reject(new Error(`failure ${attempt}`)) : Promise.resolve('done')
  }
  return { calls, operation }
}

test('retry() waits longer each time, up to the bound', async () => {
  const { slept, options } = lab()
  expect(await retry(failing(5).operation, options, signal)).toBe('done')
  expect(slept).toEqual([500, 1000, 2000, 3000, 3000])
})

test('retry() ends with the last error', async () => {
  const { options } = lab()
  const { calls, operation } = failing(9)
  await expect(retry(operation, options, signal)).rejects.toThrow('failure 6')
  expect(calls).toEqual([1, 2, 3, 4, 5, 6])
})

test('retry() follows the advice: never again, at most so often, not before', async () => {
  const never = lab()
  await expect(
    retry(failing(1).operation, { ...never.options, advise: () => undefined }, signal),
  ).rejects.toThrow('failure 1')
  const thrice = lab()
  await expect(
    retry(failing(9).operation, { ...thrice.options, advise: () => ({ attempts: 3 }) }, signal),
  ).rejects.toThrow('failure 3')
  const later = lab(0)
  await retry(failing(1).operation, { ...later.options, advise: () => ({ afterMs: 7000 }) }, signal)
  expect(later.slept).toEqual([7000])
})

test('retry() ends with the reason of an abort', async () => {
  const { options } = lab()
  const controller = new AbortController()
  const operation = () => {
    controller.abort(new Error('interrupted'))
    return Promise.reject(new Error('consequence'))
  }
  await expect(retry(operation, options, controller.signal)).rejects.toThrow('interrupted')
})
