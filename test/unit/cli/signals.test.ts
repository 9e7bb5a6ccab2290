import { EventEmitter } from 'node:events'
import { describe, expect, test } from 'vitest'
import { watchSignals } from '../../../src/cli/signals.ts'

function fakeProcess() {
  return Object.assign(new EventEmitter(), { stdout: new EventEmitter(), stderr: new EventEmitter() })
}

describe('watchSignals()', () => {
  test('is quiet at first', () => {
    const interruption = watchSignals(fakeProcess())
    expect(interruption.signal.aborted).toBe(false)
    expect(interruption.exitCode()).toBeUndefined()
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ])('%s aborts with status %i', (name, status) => {
    const source = fakeProcess()
    const interruption = watchSignals(source)
    source.emit(name, name)
    expect(interruption.exitCode()).toBe(status)
    expect(interruption.signal.reason).toMatchObject({
      code: 'ERR_OSSB_INTERRUPTED',
      message: `Interrupted by ${name}`,
    })
  })

  test('the first signal decides', () => {
    const source = fakeProcess()
    const interruption = watchSignals(source)
    source.emit('SIGINT', 'SIGINT')
    source.emit('SIGTERM', 'SIGTERM')
    source.emit('SIGINT', 'SIGINT')
    expect(interruption.exitCode()).toBe(130)
  })

  test('a reader that went away ends the command', () => {
    const source = fakeProcess()
    const interruption = watchSignals(source)
    source.stderr.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    expect(interruption.exitCode()).toBe(141)
  })
})
