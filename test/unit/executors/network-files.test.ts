import { expect, test } from 'vitest'
import { hostsFile, resolverFile } from '../../../src/executors/network-files.ts'

test('hostsFile() names the machine, then the extra hosts in their order', () => {
  const extraHosts = [
    { name: 'b.example', address: '10.0.0.2' },
    { name: 'a.example', address: 'fd00::1' },
  ]
  expect(hostsFile({ hostname: 'builder', extraHosts })).toMatchInlineSnapshot(`
    "127.0.0.1	localhost builder
    ::1	localhost ip6-localhost ip6-loopback
    10.0.0.2	b.example
    fd00::1	a.example
    "
  `)
})

test('resolverFile() is empty where the machine has none', () => {
  expect(resolverFile('/nowhere/resolv.conf')).toBe('')
})
