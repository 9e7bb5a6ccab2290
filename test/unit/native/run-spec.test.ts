import { expect, test } from 'vitest'
import { OssbError } from '../../../src/core/index.ts'
import { encodeRunSpec, type RunSpec } from '../../../src/native/run-spec.ts'

const SPEC: RunSpec = {
  root: '/r',
  args: ['sh', '-c', ''],
  env: ['A=b c', 'E='],
  cwd: '/w',
  uid: 1000,
  gid: 1001,
  groups: [5, 6],
  hostname: 'h',
  network: 'none',
  security: 'insecure',
  shmSize: 64,
  limits: [
    { name: 'nofile', resource: 7, soft: 1, hard: 2 },
    { name: 'core', resource: 4 },
  ],
  mounts: [
    { type: 'bind', source: '/s', target: '/t', readonly: true },
    { type: 'bind', source: '/s', target: '/u', readonly: false },
    { type: 'tmpfs', target: '/m', size: 10 },
    { type: 'tmpfs', target: '/n' },
  ],
}

test('encodeRunSpec() writes keys and values with a NUL after each', () => {
  expect(encodeRunSpec(SPEC).toString().split('\0').join(' | ')).toMatchInlineSnapshot(
    `"root | /r | cwd | /w | hostname | h | shm | 64 | uid | 1000 | gid | 1001 | group | 5 | group | 6 | no-network | insecure | limit | 7 | 1 | 2 | limit | 4 |  |  | ro-bind | /s | /t | bind | /s | /u | tmpfs | /m | 10 | tmpfs | /n |  | env | A=b c | env | E= | arg | sh | arg | -c | arg |  | end | "`,
  )
})

test('encodeRunSpec() names the directory that a run without mounts needs', () => {
  const words = encodeRunSpec({ ...SPEC, holding: '/aside' })
    .toString()
    .split('\0')
  expect(words.slice(words.indexOf('chroot')).slice(0, 2)).toEqual(['chroot', '/aside'])
})

test('encodeRunSpec() refuses a NUL: it would end a value and begin another', () => {
  const encode = () => encodeRunSpec({ ...SPEC, env: ['A=b\0insecure'] })
  expect(encode).toThrow(OssbError)
  expect(encode).toThrow('"A=b\\u0000insecure" holds a NUL character')
})
