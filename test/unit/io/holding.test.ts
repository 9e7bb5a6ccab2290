import { expect, test } from 'vitest'
import { createHolding } from '../../../src/io/holding.ts'

function resources() {
  const released: string[] = []
  const open = (name: string, failure?: Error) => ({
    name,
    [Symbol.asyncDispose]: async () => {
      await Promise.resolve()
      released.push(name)
      if (failure !== undefined) throw failure
    },
  })
  return { released, open }
}

test('createHolding() releases what it holds in reverse order, once', async () => {
  const { released, open } = resources()
  const holding = createHolding()
  expect(holding.hold(open('a')).name).toBe('a')
  holding.hold(open('b'))
  await holding[Symbol.asyncDispose]()
  await holding[Symbol.asyncDispose]()
  expect(released).toEqual(['b', 'a'])
})

test('createHolding() releases nothing that was handed over, which its new owner does', async () => {
  const { released, open } = resources()
  const holding = createHolding()
  holding.hold(open('a'))
  holding.hold(open('b'))
  const release = holding.handOver()
  await holding[Symbol.asyncDispose]()
  expect(released).toEqual([])
  await release()
  await release()
  expect(released).toEqual(['b', 'a'])
})

test('createHolding() releases the rest when one fails, and tells of the first failure', async () => {
  const { released, open } = resources()
  const holding = createHolding()
  holding.hold(open('a', new Error('of a')))
  holding.hold(open('b', new Error('of b')))
  holding.hold(open('c'))
  await expect(holding[Symbol.asyncDispose]()).rejects.toThrow('of b')
  expect(released).toEqual(['c', 'b', 'a'])
})
