import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  registriesIn,
  removePassword,
  storePassword,
} from '../../../../../src/registry/auth/credentials/docker-config-edit.ts'
import { createHelpers } from '../../../../../src/registry/auth/credentials/helper.ts'

const HUB = 'https://index.docker.io/v1/'
const { signal } = new AbortController()
const helpers = createHelpers({ environment: {} })
let path = ''

beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), 'ossb-edit-')), 'config.json')
})

afterEach(() => rmSync(join(path, '..'), { recursive: true, force: true }))

const write = (auths: unknown) => writeFileSync(path, JSON.stringify({ auths }))
const keys = () => Object.keys((JSON.parse(readFileSync(path, 'utf8')) as { auths: object }).auths)
const store = (registry: string) =>
  storePassword({ path, helpers }, { registry, username: 'u', password: 'p' }, signal)

test('Docker Hub has the key that Docker gives it, and no other', async () => {
  write({
    'docker.io': {},
    'index.docker.io': {},
    'https://registry-1.docker.io/v2/': {},
    'docker.io/team': {},
  })
  await store('docker.io')
  expect(keys()).toEqual(['docker.io/team', HUB])
  expect(await removePassword({ path, helpers }, 'docker.io', signal)).toBe(true)
  expect(keys()).toEqual(['docker.io/team'])
})

test('what is not there is not removed, and the file is not touched', async () => {
  write({ 'r.io:5000': {} })
  const before = readFileSync(path, 'utf8')
  expect(await removePassword({ path, helpers }, 'r.io', signal)).toBe(false)
  expect(readFileSync(path, 'utf8')).toBe(before)
})

test('the registries of a file are told by the names that references have', async () => {
  write({ [HUB]: {}, 'https://r.io/v2/': {}, 'r.io': {}, 'r.io/team': {} })
  expect(await registriesIn({ path, helpers }, signal)).toEqual(['docker.io', 'r.io', 'r.io/team'])
  for (const registry of await registriesIn({ path, helpers }, signal))
    await removePassword({ path, helpers }, registry, signal)
  expect(keys()).toEqual([])
})

test('a file that is not there is made', async () => {
  expect(await registriesIn({ path, helpers }, signal)).toEqual([])
  await store('r.io')
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ auths: { 'r.io': { auth: 'dTpw' } } })
})
