import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { askHelper } from '../../../src/registry/credentials/helper.ts'
import { defaultKeychain } from '../../../src/registry/credentials/keychain.ts'

const bin = mkdtempSync(join(tmpdir(), 'ossb-helper-'))
const { signal } = new AbortController()

afterAll(() => rmSync(bin, { recursive: true, force: true }))

function helper(name: string, script: string): void {
  writeFileSync(join(bin, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
}

const find = (config: unknown, registry = 'r.io') =>
  defaultKeychain({ PATH: `${bin}:/usr/bin:/bin`, DOCKER_AUTH_CONFIG: JSON.stringify(config) }).find(
    { registry, repository: 'x' },
    signal,
  )

test('credHelpers and credsStore are asked by the helper protocol', async () => {
  helper(
    'echo',
    'read url; echo "{\\"ServerURL\\":\\"$url\\",\\"Username\\":\\"$1\\",\\"Secret\\":\\"for $url\\"}"',
  )
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

test('C9 a helper may give an identity token, or know nothing', async () => {
  helper('token', `echo '{"Username":"<token>","Secret":"refresh"}'`)
  helper('none', 'echo "credentials not found in native keychain"; exit 1')
  expect(await find({ credsStore: 'token' })).toMatchObject({ type: 'identity-token', token: 'refresh' })
  expect(await find({ credsStore: 'none' })).toBeUndefined()
})

test.each([
  ['absent', undefined, 'it could not be started'],
  ['failing', 'echo secret; exit 3', 'it ended with status 3'],
  ['babbling', 'echo secret', 'its answer is not the JSON of a credential'],
])('C9 a helper that is %s is an error that names it', async (name, script, why) => {
  if (script !== undefined) helper(name, script)
  const error: unknown = await find({ credHelpers: { 'r.io': name } }).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({
    code: 'ERR_OSSB_UNAUTHORIZED',
    message: `Cannot get credentials for r.io from the credential helper docker-credential-${name} that the environment variable DOCKER_AUTH_CONFIG names: ${why}`,
  })
  expect(String(error)).not.toContain('secret')
})

test('C9 a helper that does not answer is ended after its time', async () => {
  helper('hanging', 'exec sleep 600')
  const request = { suffix: 'hanging', serverUrl: 'r.io', name: 'a file', limitMs: 200 }
  const environment = { PATH: `${bin}:/usr/bin:/bin` }
  await expect(askHelper({ ...request, environment }, signal)).rejects.toMatchObject({
    code: 'ERR_OSSB_UNAUTHORIZED',
    message: expect.stringMatching(/docker-credential-hanging that a file names: no answer within 0\.2 s$/),
  })
})
