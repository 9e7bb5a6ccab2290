import { expect, test } from 'vitest'
import { isInsecure } from '../../../../src/registry/http/transport.ts'

test.each([
  ['a host that is named', 'r.example:5000', ['R.Example:5000'], true],
  ['any port of a host that is named without one', 'r.example:5000', ['r.example'], true],
  ['another port than the one that is named', 'r.example:5001', ['r.example:5000'], false],
  ['a host below one that is named', 'a.r.example', ['r.example'], false],
  ['any host where all are allowed', '[::1]:5000', ['*'], true],
  ['a host that is not named', 'r.example', [], false],
])('isInsecure(): %s', (_case, host, allowed, expected) => {
  expect(isInsecure(host, allowed)).toBe(expected)
})
