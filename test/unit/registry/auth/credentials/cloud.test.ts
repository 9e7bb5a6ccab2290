import { createVerify, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type CloudAnswer, type CloudRequest, signed } from '../../../../../src/cloud/index.ts'
import {
  type CloudProvider,
  cloudCredentials,
} from '../../../../../src/registry/auth/credentials/cloud/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'ossb-cloud-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const NOW = Date.UTC(2015, 7, 30, 12, 36)
const { signal } = new AbortController()

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

/** A source whose questions are answered by a recorded exchange: the beginning of a URL, and what came back. */
function cloud(
  provider: CloudProvider,
  environment: Readonly<Record<string, string>>,
  answers: readonly (readonly [url: string, status: number, body: string | object])[] = [],
) {
  const asked: CloudRequest[] = []
  const ask = (request: CloudRequest): Promise<CloudAnswer> => {
    asked.push(request)
    const answer = answers.find(([url]) => request.url.startsWith(url))
    if (answer === undefined) return Promise.reject(new Error(`nobody is at ${request.url}`))
    const [, status, body] = answer
    return Promise.resolve({ status, text: typeof body === 'string' ? body : JSON.stringify(body) })
  }
  const [source] = cloudCredentials([provider], { environment, ask, now: () => NOW })
  const find = (registry: string) => source?.find({ registry, repository: 'app' }, signal)
  return { asked, find }
}

/** The form of a request. */
function formOf(request: CloudRequest | undefined): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(request?.body))
}

describe('Google', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = {
    type: 'service_account',
    private_key_id: 'k1',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: 'builder@project.iam.gserviceaccount.com',
    token_uri: 'https://oauth2.googleapis.com/token',
  }

  test('a service account signs what it says of itself', async () => {
    const path = file('key.json', JSON.stringify(key))
    const { find, asked } = cloud('google', { GOOGLE_APPLICATION_CREDENTIALS: path }, [
      ['https://oauth2.googleapis.com/token', 200, { access_token: 'ya29', expires_in: 3599 }],
    ])
    expect(await find('europe-docker.pkg.dev')).toMatchObject({
      username: 'oauth2accesstoken',
      password: 'ya29',
    })
    expect(await find('europe-docker.pkg.dev')).toMatchObject({ password: 'ya29' })
    expect(asked).toHaveLength(1)
    const { grant_type, assertion = '' } = formOf(asked[0])
    expect(grant_type).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const [header = '', claims = '', signature = ''] = assertion.split('.')
    const verify = createVerify('RSA-SHA256').update(`${header}.${claims}`)
    expect(verify.verify(publicKey, Buffer.from(signature, 'base64url'))).toBe(true)
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toEqual({
      iss: key.client_email,
      scope: 'https://www.googleapis.com/auth/cloud-platform',
      aud: key.token_uri,
      iat: NOW / 1000,
      exp: NOW / 1000 + 3600,
    })
  })

  test('the login of a person is a refresh token', async () => {
    const path = file(
      'user.json',
      JSON.stringify({ type: 'authorized_user', client_id: 'i', client_secret: 's', refresh_token: 'r' }),
    )
    const { find, asked } = cloud('google', { GOOGLE_APPLICATION_CREDENTIALS: path }, [
      ['https://oauth2.googleapis.com/token', 200, { access_token: 'ya29' }],
    ])
    expect(await find('eu.gcr.io')).toMatchObject({ password: 'ya29' })
    expect(formOf(asked[0])).toEqual({
      grant_type: 'refresh_token',
      client_id: 'i',
      client_secret: 's',
      refresh_token: 'r',
    })
  })

  test('a refused key is an error that shows nothing of it', async () => {
    const path = file('refused.json', JSON.stringify(key))
    const { find } = cloud('google', { GOOGLE_APPLICATION_CREDENTIALS: path }, [
      ['https://oauth2.googleapis.com/token', 400, { error: 'invalid_grant' }],
    ])
    await expect(find('gcr.io')).rejects.toThrow(
      `Cannot get a token with the credentials in "${path}": 400 invalid_grant`,
    )
  })

  test('the metadata server is asked last, and only for its own registries', async () => {
    const { find, asked } = cloud('google', {}, [
      ['http://metadata.google.internal/computeMetadata/v1/', 200, { access_token: 'machine' }],
    ])
    for (const name of ['r.io', 'gcr.io.evil.com', 'evilgcr.io', 'pkg.dev'])
      expect(await find(name), name).toBeUndefined()
    expect(asked).toEqual([])
    expect(await find('gcr.io')).toMatchObject({ password: 'machine' })
    expect(asked[0]?.headers).toEqual({ 'metadata-flavor': 'Google' })
  })
})

describe('AWS', () => {
  const KEYS = {
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  }
  const REGISTRY = '123456789012.dkr.ecr.eu-central-1.amazonaws.com'
  const TOKEN = {
    authorizationData: [{ authorizationToken: Buffer.from('AWS:secret').toString('base64'), expiresAt: 1 }],
  }

  // "get-vanilla" of the test suite that AWS publishes for Signature Version 4.
  test('requests are signed as the published example is', () => {
    const { headers } = signed(
      { method: 'GET', url: 'https://example.amazonaws.com/' },
      { accessKeyId: KEYS.AWS_ACCESS_KEY_ID, secretAccessKey: KEYS.AWS_SECRET_ACCESS_KEY },
      { service: 'service', region: 'us-east-1', now: NOW },
    )
    expect(headers?.['authorization']).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    )
  })

  test.each([
    ['variables', () => KEYS, []],
    [
      'a profile',
      () => ({
        AWS_PROFILE: 'ci',
        AWS_SHARED_CREDENTIALS_FILE: file(
          'aws',
          '[default]\naws_access_key_id = no\n[ci]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = s\n',
        ),
      }),
      [],
    ],
    [
      'a web identity',
      () => ({ AWS_ROLE_ARN: 'arn', AWS_WEB_IDENTITY_TOKEN_FILE: file('token', 'jwt\n') }),
      [
        [
          'https://sts.eu-central-1.amazonaws.com/',
          200,
          '<R><AccessKeyId>AKIDEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken></R>',
        ],
      ],
    ],
    [
      'the endpoint of a container',
      () => ({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/x' }),
      [
        [
          'http://169.254.170.2/v2/credentials/x',
          200,
          { AccessKeyId: 'AKIDEXAMPLE', SecretAccessKey: 's', Token: 't' },
        ],
      ],
    ],
    [
      'the machine',
      () => ({}),
      [
        ['http://169.254.169.254/latest/api/token', 200, 'imds'],
        [
          'http://169.254.169.254/latest/meta-data/iam/security-credentials/role',
          200,
          { AccessKeyId: 'AKIDEXAMPLE', SecretAccessKey: 's', Token: 't' },
        ],
        ['http://169.254.169.254/latest/meta-data/iam/security-credentials/', 200, 'role'],
      ],
    ],
  ] as const)('keys from %s get the password of ECR', async (_what, environment, answers) => {
    const { find, asked } = cloud('ecr', { HOME: '/nowhere', ...environment() }, [
      ...answers,
      ['https://api.ecr.eu-central-1.amazonaws.com/', 200, TOKEN],
    ])
    expect(await find(REGISTRY)).toMatchObject({ username: 'AWS', password: 'secret' })
    const request = asked.at(-1)
    expect(request).toMatchObject({ method: 'POST', body: '{}' })
    expect(request?.headers?.['x-amz-target']).toBe(
      'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken',
    )
    expect(request?.headers?.['authorization']).toContain('Credential=AKIDEXAMPLE/20150830/eu-central-1/ecr/')
  })

  test('only the registries of AWS are asked for', async () => {
    const { find, asked } = cloud('ecr', KEYS)
    for (const name of ['r.io', `${REGISTRY}.evil.com`, 'ecr.eu-central-1.amazonaws.com'])
      expect(await find(name), name).toBeUndefined()
    expect(asked).toEqual([])
  })

  test('what AWS refuses is an error', async () => {
    const { find } = cloud('ecr', KEYS, [
      ['https://api.ecr.', 400, { __type: 'UnrecognizedClientException', message: 'The token is invalid.' }],
    ])
    await expect(find(REGISTRY)).rejects.toThrow(
      `Cannot get a token of AWS for "${REGISTRY}": 400 The token is invalid.`,
    )
  })
})

describe('Azure', () => {
  const CLIENT = { AZURE_CLIENT_ID: 'c', AZURE_TENANT_ID: 't' }
  const EXCHANGE = ['https://app.azurecr.io/oauth2/exchange', 200, { refresh_token: 'refresh' }] as const

  test.each([
    ['a secret', () => ({ ...CLIENT, AZURE_CLIENT_SECRET: 's' }), { client_secret: 's' }],
    [
      'a federated token',
      () => ({ ...CLIENT, AZURE_FEDERATED_TOKEN_FILE: file('federated', 'jwt\n') }),
      { client_assertion: 'jwt' },
    ],
  ])('a client with %s gets a refresh token of the registry', async (_what, environment, proof) => {
    const { find, asked } = cloud('acr', environment(), [
      ['https://login.microsoftonline.com/t/oauth2/v2.0/token', 200, { access_token: 'entra' }],
      EXCHANGE,
    ])
    expect(await find('app.azurecr.io')).toMatchObject({ type: 'identity-token', token: 'refresh' })
    expect(formOf(asked[0])).toMatchObject({
      grant_type: 'client_credentials',
      scope: 'https://management.azure.com/.default',
      ...proof,
    })
    expect(formOf(asked[1])).toEqual({
      grant_type: 'access_token',
      service: 'app.azurecr.io',
      tenant: 't',
      access_token: 'entra',
    })
  })

  test('the identity of the machine does as well, and no token goes to another host', async () => {
    const { find, asked } = cloud('acr', {}, [
      ['http://169.254.169.254/metadata/identity/oauth2/token?', 200, { access_token: 'machine' }],
      EXCHANGE,
    ])
    for (const name of ['azurecr.io', 'app.azurecr.io.evil.com', 'app.azurecr.com', 'x.app.azurecr.io'])
      expect(await find(name), name).toBeUndefined()
    expect(asked).toEqual([])
    expect(await find('app.azurecr.io')).toMatchObject({ token: 'refresh' })
    expect(asked[0]?.headers).toEqual({ metadata: 'true' })
  })
})

test('GitLab gives a password for the registry of the job alone', async () => {
  const { find } = cloud('gitlab', {
    CI_REGISTRY: 'registry.gitlab.com',
    CI_REGISTRY_USER: 'gitlab-ci-token',
    CI_REGISTRY_PASSWORD: 'p',
  })
  expect(await find('registry.gitlab.com')).toMatchObject({ username: 'gitlab-ci-token', password: 'p' })
  expect(await find('gitlab.com')).toBeUndefined()
})
