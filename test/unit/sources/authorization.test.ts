import { describe, expect, test } from 'vitest'
import {
  downloadAuthorization,
  gitAuthorization,
  gitHeaderSettings,
} from '../../../src/sources/authorization.ts'

const TOKEN = `Basic ${Buffer.from('x-access-token:t').toString('base64')}`
const read = (secrets: Readonly<Record<string, string>>) => (id: string) => secrets[id]

describe('downloadAuthorization()', () => {
  test.each([
    ['nothing without a secret', 'https://h/a', {}, undefined],
    ['the header of the host', 'https://h/a', { HTTP_AUTH_HEADER_h: 'Basic eA==\n' }, 'Basic eA=='],
    ['the token of the host', 'https://h/a', { HTTP_AUTH_TOKEN_h: 't' }, 'Bearer t'],
    [
      'a host with its port first',
      'https://h:1/a',
      { HTTP_AUTH_TOKEN_h: 'n', 'HTTP_AUTH_TOKEN_h:1': 'y' },
      'Bearer y',
    ],
    ['nothing of another host', 'https://other/a', { HTTP_AUTH_TOKEN_h: 't' }, undefined],
    ['the user of the URL', 'https://u:p%40@h/a', {}, 'Basic dTpwQA=='],
    ['the secret before the user of the URL', 'https://u:p@h/a', { HTTP_AUTH_TOKEN_h: 't' }, 'Bearer t'],
  ] as const)('gives %s', (_what, url, secrets, expected) => {
    expect(downloadAuthorization(new URL(url), read(secrets))).toBe(expected)
  })
})

describe('gitAuthorization()', () => {
  test.each([
    ['nothing without a secret', 'https://h/r.git', {}, undefined],
    ['the token', 'https://h/r.git', { GIT_AUTH_TOKEN: 't' }, TOKEN],
    [
      'the token of the host first',
      'https://h/r.git',
      { GIT_AUTH_TOKEN: 'x', 'GIT_AUTH_TOKEN.h': 't' },
      TOKEN,
    ],
    ['the header', 'https://h/r.git', { GIT_AUTH_HEADER: 'Bearer x', GIT_AUTH_TOKEN: 't' }, 'Bearer x'],
    ['nothing over ssh', 'git@h:r.git', { GIT_AUTH_TOKEN: 't' }, undefined],
    ['nothing over git', 'git://h/r.git', { GIT_AUTH_TOKEN: 't' }, undefined],
  ] as const)('gives %s', (_what, remote, secrets, expected) => {
    expect(gitAuthorization(remote, read(secrets))).toBe(expected)
  })
})

test('gitHeaderSettings() binds the header to the host, beside settings that are there', () => {
  expect(gitHeaderSettings('https://h:8443/a/r.git', 'Bearer x', { GIT_CONFIG_COUNT: '2' })).toEqual({
    GIT_CONFIG_COUNT: '3',
    GIT_CONFIG_KEY_2: 'http.https://h:8443/.extraHeader',
    GIT_CONFIG_VALUE_2: 'Authorization: Bearer x',
  })
})
