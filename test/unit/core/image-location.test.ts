import { expect, test } from 'vitest'
import { parseImageLocation } from '../../../src/core/index.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const LONG = `sha512:${'a'.repeat(128)}`
const REFERENCE = { registry: 'localhost:5000', repository: 'app', tag: '1' }

test.each([
  ['localhost:5000/app:1', { type: 'registry', reference: REFERENCE }],
  ['docker://localhost:5000/app:1', { type: 'registry', reference: REFERENCE }],
  ['docker-image://localhost:5000/app:1', { type: 'registry', reference: REFERENCE }],
  ['oci:dir', { type: 'oci', path: 'dir', name: '' }],
  ['oci:/a/dir:name', { type: 'oci', path: '/a/dir', name: 'name' }],
  [`oci:dir@${DIGEST}`, { type: 'oci', path: 'dir', name: DIGEST }],
  [`oci:dir@${LONG}`, { type: 'oci', path: 'dir', name: LONG }],
  ['oci-layout:///a/dir:1.0', { type: 'oci', path: '/a/dir', name: '1.0' }],
  ['oci:dir:docker.io/library/app:1', { type: 'oci', path: 'dir', name: 'docker.io/library/app:1' }],
  ['oci-archive:a.tar:app', { type: 'oci-archive', path: 'a.tar', name: 'app' }],
  ['docker-archive:a.tar', { type: 'docker-archive', path: 'a.tar', name: '' }],
  ['docker-archive:a.tar:x.io/app:1', { type: 'docker-archive', path: 'a.tar', name: 'x.io/app:1' }],
  ['docker-archive:a.tar:@1', { type: 'docker-archive', path: 'a.tar', name: '@1' }],
  ['docker-archive:a.tar@12', { type: 'docker-archive', path: 'a.tar', name: '@12' }],
  ['docker-archive:a@b.tar', { type: 'docker-archive', path: 'a@b.tar', name: '' }],
  ['cache:app:1', { type: 'cache', name: 'app:1' }],
])('parseImageLocation() reads %s', (text, expected) => {
  expect(parseImageLocation(text)).toEqual({ text, ...expected })
})

test.each([
  ['oci:', 'nothing stands after the colon'],
  ['oci::name', 'nothing stands after the colon'],
  ['cache:', 'nothing stands after the colon'],
  ['containers-storage:app', 'images are not read from "containers-storage"'],
  ['docker-daemon:app:1', 'images are not read from "docker-daemon"'],
  ['docker://UPPER', 'must be lower-case'],
  ['https://example.com/app', 'Cannot use "https://example.com/app"'],
])('parseImageLocation() refuses %s', (text, message) => {
  expect(() => parseImageLocation(text)).toThrow(message)
})
