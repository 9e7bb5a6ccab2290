import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createHelpers } from '../../../src/registry/auth/credentials/helper.ts'
import { defaultKeychain } from '../../../src/registry/auth/credentials/keychain.ts'

const bin = mkdtempSync(join(tmpdir(), 'ossb-helper-'))
const environment = { PATH: `${bin}:/usr/bin:/bin` }
const { signal } = new AbortController()

afterAll(() => rmSync(bin, { recursive: true, force: true }))

function helper(name: string, script: string): void {
  writeFileSync(join(bin, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
}

const askNobody = () => Promise.reject(new Error('no cloud is asked here'))

const keychain = (config: unknown) =>
  defaultKeychain({ environment: { ...environment, DOCKER_AUTH_CONFIG: JSON.stringify(config) } }, askNobody)

const find = (config: unknown, registry = 'r.io', repository = 'x') =>
  keychain(config).find({ registry, repository }, signal)

const ECHO =
  'read url; echo "{\\"ServerURL\\":\\"$url\\",\\"Username\\":\\"$1\\",\\"Secret\\":\\"for $url\\"}"'

test('credHelpers and credsStore are asked by the helper protocol', async () => {
  helper('echo', ECHO)
  expect(await find({ credHelpers: { 'r.io': 'echo' } })).toEqual({
    type: 'basic',
    username: 'get',
    password: 'for r.io',
    source:
      'the credential helper docker-credential-echo that the environment variable DOCKER_AUTH_CONFIG names',
  })
  expect(await find({ credsStore: 'echo' }, 'docker.io')).toMatchObject({
    password: 'for https://index.docker.io/v1/',
  })
  expect(await find({ credHelpers: { 'other.io': 'echo' } })).toBeUndefined()
})

test('the helper of a repository comes before that of its host, and both before credsStore', async () => {
  helper('echo', ECHO)
  helper('token', `echo '{"Username":"<token>","Secret":"refresh"}'`)
  const config = { credHelpers: { 'r.io/team/app': 'token', 'r.io': 'echo' }, credsStore: 'absent' }
  expect(await find(config, 'r.io', 'team/app')).toMatchObject({ type: 'identity-token' })
  expect(await find(config, 'r.io', 'team/app/deep')).toMatchObject({ type: 'basic' })
})

test('a helper may give an identity token, or know nothing', async () => {
  helper('token', `echo '{"Username":"<token>","Secret":"refresh"}'`)
  helper('none', 'echo "credentials not found in native keychain"; exit 1')
  expect(await find({ credsStore: 'token' })).toMatchObject({ type: 'identity-token', token: 'refresh' })
  expect(await find({ credsStore: 'none' })).toBeUndefined()
})

test('a helper is asked once for a host, however many repositories there are', async () => {
  const log = join(bin, 'calls')
  helper('counting', `echo call >> ${log}; ${ECHO}`)
  const source = keychain({ credsStore: 'counting' })
  const asked = ['a', 'b', 'c'].map((repository) => source.find({ registry: 'r.io', repository }, signal))
  expect(await Promise.all(asked)).toHaveLength(3)
  expect(readFileSync(log, 'utf8')).toBe('call\n')
})

test.each([
  ['absent', undefined, 'it could not be started'],
  ['failing', 'echo secret; exit 3', 'it ended with status 3'],
  ['babbling', 'echo secret', 'its answer is not the JSON of a credential'],
])('a helper that is %s is an error that names it', async (name, script, why) => {
  if (script !== undefined) helper(name, script)
  const error: unknown = await find({ credHelpers: { 'r.io': name } }).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({
    code: 'ERR_OSSB_UNAUTHORIZED',
    message: `Cannot get credentials for r.io from the credential helper docker-credential-${name} that the environment variable DOCKER_AUTH_CONFIG names: ${why}`,
  })
  expect(String(error)).not.toContain('secret')
})

test('a helper for another host need not be there', async () => {
  const config = {
    auths: { 'r.io': { username: 'u', password: 'p' } },
    credHelpers: { 'other.io': 'absent' },
    credsStore: 'absent',
  }
  expect(await find(config)).toMatchObject({ username: 'u' })
})

test('a helper that does not answer is ended', async () => {
  helper('hanging', 'exec sleep 600')
  const request = { suffix: 'hanging', serverUrl: 'r.io', namedBy: 'a test' }
  await expect(createHelpers({ environment, timeoutMs: 200 }).get(request, signal)).rejects.toMatchObject({
    message:
      'Cannot get credentials for r.io from the credential helper docker-credential-hanging that a test names: no answer within 0.2 s',
  })
})
