import { expect, test } from 'vitest'
import { apiHost, isForbiddenAddress, isLoopback } from '../../../../src/registry/http/origin.ts'

test.each([
  ['localhost', true],
  ['localhost:5000', true],
  ['app.localhost', true],
  ['127.0.0.1:80', true],
  ['127.8.9.1', true],
  ['[::1]:5000', true],
  ['localhost.example.com', false],
  ['127.0.0.1.nip.io', false],
  ['10.0.0.1', false],
])('isLoopback(%s) is %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected)
})

test.each([
  ['169.254.169.254', true],
  ['169.254.0.1:80', true],
  ['100.100.100.200', true],
  ['[fd00:ec2::254]', true],
  ['[fe80::1]:80', true],
  ['[::ffff:a9fe:a9fe]', true],
  ['0.0.0.0', true],
  ['[::]', true],
  ['10.0.0.1', false],
  ['r.io', false],
])('isForbiddenAddress(%s) is %s', (host, expected) => {
  expect(isForbiddenAddress(host)).toBe(expected)
})

test('apiHost() knows where Docker Hub serves its API', () => {
  expect(apiHost('docker.io')).toBe('registry-1.docker.io')
  expect(apiHost('r.io:5000')).toBe('r.io:5000')
})
