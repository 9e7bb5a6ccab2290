import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXECUTOR_FLAGS } from '../../../../src/cli/kaniko/executor-flags.ts'
import type { BuildOptions } from '../../../../src/index.ts'
import { BUILT } from '../../../support/cli-host.ts'
import { type KanikoRun, runKanikoCli } from '../../../support/kaniko-cli.ts'

let directory = ''

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'ossb-kaniko-'))
  mkdirSync(join(directory, 'ctx', 'sub'), { recursive: true })
  for (const path of ['ctx/Dockerfile', 'ctx/sub/Dockerfile', 'ctx/Other', 'ctx.tar.gz', 'token'])
    writeFileSync(join(directory, path), 'FROM scratch\n')
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** What a command line must come to. */
interface Good {
  readonly args: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Of the build whose image is pushed. */
  readonly options?: Partial<BuildOptions>
  readonly check?: (run: KanikoRun) => void
}

/** What a command line must be refused with. */
interface Bad {
  readonly args: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly says: string
}

const NO_EFFECT = {}
const HOUR = 3_600_000

function notBool(flag: string): Bad {
  return {
    args: [`--${flag}=maybe`],
    says: `Error: invalid argument "maybe" for "--${flag}" flag: strconv.ParseBool: parsing "maybe": invalid syntax`,
  }
}

function notInt(flag: string): Bad {
  return {
    args: [`--${flag}`, 'x'],
    says: `Error: invalid argument "x" for "--${flag}" flag: strconv.ParseInt: parsing "x": invalid syntax`,
  }
}

function noValue(flag: string): Bad {
  return { args: [`--${flag}`], says: `Error: flag needs an argument: --${flag}` }
}

function inDirectory(path: string): string {
  return join(directory, path)
}

/** A flag that is taken, and after which the build is as it was without it. */
function idle(flag: string): readonly [Good, Bad] {
  return [{ args: [`--${flag}`], options: NO_EFFECT }, notBool(flag)]
}

/** A good and a bad value for each flag. */
const FLAGS: () => Readonly<Record<string, readonly [Good, Bad]>> = () => ({
  annotation: [
    {
      args: ['--annotation', 'a=b', '--annotation', 'c=d=e'],
      options: {
        annotations: [
          { level: 'manifest', key: 'a', value: 'b' },
          { level: 'manifest', key: 'c', value: 'd=e' },
        ],
      },
    },
    { args: ['--annotation', 'a'], says: 'invalid argument value. expect key=value, got a' },
  ],
  reproducible: [{ args: ['--reproducible'], options: { reproducible: true } }, notBool('reproducible')],
  bucket: [
    { args: ['--bucket', 'b', '-c', ''], options: { context: 'gs://b/context.tar.gz' } },
    noValue('bucket'),
  ],
  cache: [
    {
      args: ['--cache', '-d', 'r.io/team/app:1'],
      options: {
        noCache: false,
        baseImages: { directory: '/cache', maxAgeMs: 336 * HOUR },
        cacheFrom: [{ type: 'kaniko', repository: 'r.io/team/app/cache', ttlMs: 336 * HOUR }],
        cacheTo: [
          {
            type: 'kaniko',
            repository: 'r.io/team/app/cache',
            ttlMs: 336 * HOUR,
            steps: ['exec'],
            ignoreError: true,
          },
        ],
      },
    },
    {
      args: ['--cache'],
      says: 'Error: cache flags invalid: if using cache with --no-push, specify cache repo with --cache-repo',
    },
  ],
  'cache-copy-layers': [
    {
      args: ['--cache', '--cache-repo=r.io/c', '--cache-copy-layers'],
      check: ({ builds: [build] }) =>
        expect(build?.cacheTo).toMatchObject([{ repository: 'r.io/c', steps: ['exec', 'file'] }]),
    },
    notBool('cache-copy-layers'),
  ],
  'cache-dir': [
    {
      args: ['--cache', '--no-push-cache', '--cache-dir', 'warm'],
      options: { baseImages: { directory: inDirectory('warm'), maxAgeMs: 336 * HOUR } },
    },
    noValue('cache-dir'),
  ],
  'cache-repo': [
    {
      args: ['--cache', '--cache-repo', 'oci:layers'],
      options: {
        cacheFrom: [{ type: 'local', src: inDirectory('layers'), name: 'latest' }],
        cacheTo: [
          {
            type: 'local',
            dest: inDirectory('layers'),
            tag: 'latest',
            mode: 'max',
            form: 'manifest',
            ignoreError: true,
          },
        ],
      },
    },
    noValue('cache-repo'),
  ],
  'cache-run-layers': [
    {
      args: ['--cache', '--cache-repo=r.io/c', '--cache-run-layers=false'],
      check: ({ builds: [build] }) => expect(build?.cacheTo).toBeUndefined(),
    },
    notBool('cache-run-layers'),
  ],
  'cache-ttl': [
    {
      args: ['--cache', '--cache-repo=r.io/c', '--cache-ttl=1h30m'],
      options: { cacheFrom: [{ type: 'kaniko', repository: 'r.io/c', ttlMs: 1.5 * HOUR }] },
    },
    {
      args: ['--cache-ttl', '6'],
      says: 'Error: invalid argument "6" for "--cache-ttl" flag: time: missing unit in duration "6"',
    },
  ],
  'no-push-cache': [
    {
      args: ['--cache', '--cache-repo=r.io/c', '--no-push-cache'],
      check: ({ builds: [build] }) => {
        expect(build?.cacheFrom).toMatchObject([{ repository: 'r.io/c' }])
        expect(build?.cacheTo).toBeUndefined()
      },
    },
    notBool('no-push-cache'),
  ],
  'build-arg': [
    {
      args: ['--build-arg', 'A=1 2', '--build-arg', 'B', '--build-arg', 'C'],
      environment: { B: 'from env' },
      options: { buildArgs: { A: '1 2', B: 'from env', C: '' } },
    },
    noValue('build-arg'),
  ],
  'compression-level': [
    { args: ['--compression-level', '9'], options: { compression: { type: 'gzip', level: 9 } } },
    notInt('compression-level'),
  ],
  compression: [
    { args: ['--compression=zstd'], options: { compression: { type: 'zstd' } } },
    {
      args: ['--compression', 'xz'],
      says: 'Error: invalid argument "xz" for "--compression" flag: must be either "gzip" or "zstd"',
    },
  ],
  context: [
    { args: ['--context', `dir://${inDirectory('ctx/sub')}`], options: { context: inDirectory('ctx/sub') } },
    {
      args: ['-c', 'ftp://x/y'],
      says: 'Error: error resolving source context: unknown build context prefix provided, please use one of the following: gs://, dir://, tar://, s3://, git://, https://',
    },
  ],
  'context-sub-path': [
    {
      args: ['-c', inDirectory('ctx'), '--context-sub-path', 'sub'],
      options: {
        context: inDirectory('ctx'),
        contextSubdirectory: 'sub',
        dockerfile: inDirectory('ctx/sub/Dockerfile'),
      },
    },
    {
      args: ['--context-sub-path', 'nope', '-f', 'nope'],
      says: 'Error: error resolving dockerfile path: please provide a valid path to a Dockerfile',
    },
  ],
  'credential-helpers': [
    {
      args: ['--credential-helpers', 'env', '--credential-helpers=gitlab', '--credential-helpers=x'],
      options: { credentialProviders: ['env', 'gitlab'] },
      check: ({ stderr }) => expect(stderr).toContain('Unknown cred-source "x", skipping.'),
    },
    noValue('credential-helpers'),
  ],
  'custom-platform': [
    {
      args: ['--custom-platform=linux/arm/v7,linux/amd64'],
      options: { platforms: ['linux/arm/v7', 'linux/amd64'] },
    },
    { args: ['--custom-platform', 'arm'], says: 'FATA\u001b[0m[0000] Invalid platform "arm"' },
  ],
  customPlatform: [
    {
      args: ['--customPlatform', 'linux/s390x'],
      options: { platforms: ['linux/s390x'] },
      check: ({ stderr }) =>
        expect(stderr).toContain('Flag --customPlatform is deprecated. Use: --custom-platform'),
    },
    noValue('customPlatform'),
  ],
  destination: [
    {
      args: ['-d', 'app', '--destination=r.io/team/app:1'],
      options: {
        tags: ['docker.io/library/app:latest', 'r.io/team/app:1'],
        outputs: [{ type: 'image', push: true }],
      },
    },
    { args: ['-d', 'r.io/Team/App'], says: 'repository can only contain the characters' },
  ],
  'digest-file': [
    {
      args: ['--digest-file', 'new/digest'],
      check: () => expect(readFileSync(inDirectory('new/digest'), 'utf8')).toBe(BUILT.descriptor.digest),
    },
    noValue('digest-file'),
  ],
  dockerfile: [
    { args: ['-f', 'Other'], options: { dockerfile: inDirectory('ctx/Other') } },
    {
      args: ['-f', 'nope'],
      says: 'Error: error resolving dockerfile path: please provide a valid path to a Dockerfile within the build context with --dockerfile',
    },
  ],
  dryrun: [
    {
      args: ['--dryrun'],
      check: ({ builds, stdout }) => {
        expect(builds).toEqual([])
        expect(stdout).toContain('app')
      },
    },
    notBool('dryrun'),
  ],
  git: [
    {
      args: [
        '-c',
        'git://h.io/o/r.git#refs/tags/v1#0123456789012345678901234567890123456789',
        '--git',
        'recurse-submodules=true',
        '--git',
        'insecure-skip-tls=true',
      ],
      options: {
        context:
          'git+https://h.io/o/r.git?keep-git-dir=true&submodules=true#0123456789012345678901234567890123456789',
        dockerfile: 'Dockerfile',
      },
      check: ({ builds: [build] }) => expect(build?.environment['GIT_SSL_NO_VERIFY']).toBe('true'),
    },
    { args: ['--git', 'branch'], says: 'invalid git flag, must be in the key=value format: branch' },
  ],
  'ignore-path': [
    { args: ['--ignore-path', '/a', '--ignore-path=/b/*'], options: { ignoredPaths: ['/a', '/b/*'] } },
    noValue('ignore-path'),
  ],
  'image-download-retry': [
    { args: ['--image-download-retry=7'], options: { retries: 7 } },
    notInt('image-download-retry'),
  ],
  'image-fs-extract-retry': [
    { args: ['--image-fs-extract-retry=8'], options: { retries: 8 } },
    notInt('image-fs-extract-retry'),
  ],
  'push-retry': [{ args: ['--push-retry=9'], options: { retries: 9 } }, notInt('push-retry')],
  'image-format': [
    { args: ['--image-format', 'docker'], options: { imageFormat: 'docker' } },
    { args: ['--image-format', 'x'], says: 'must be either "docker" or "oci"' },
  ],
  'image-name-tag-with-digest-file': [
    {
      args: ['-d', 'app', '-d', 'r.io/app:1', '--image-name-tag-with-digest-file', 'names'],
      check: () =>
        expect(readFileSync(inDirectory('names'), 'utf8')).toBe(
          `index.docker.io/library/app:latest@${BUILT.descriptor.digest}\nr.io/app:1@${BUILT.descriptor.digest}\n`,
        ),
    },
    {
      args: ['--image-name-tag-with-digest-file', 'names'],
      says: 'Error: you must provide --destination if setting ImageNameTagDigestFile',
    },
  ],
  'image-name-with-digest-file': [
    {
      args: ['-d', 'app', '-d', 'r.io/app:1', '--image-name-with-digest-file', 'names2'],
      check: () =>
        expect(readFileSync(inDirectory('names2'), 'utf8')).toBe(
          `index.docker.io/library/app@${BUILT.descriptor.digest}\nr.io/app@${BUILT.descriptor.digest}\n`,
        ),
    },
    {
      args: ['--image-name-with-digest-file', 'names'],
      says: 'Error: you must provide --destination if setting ImageNameDigestFile',
    },
  ],
  insecure: [
    { args: ['-d', 'r.io/app', '--insecure'], options: { insecureRegistries: ['r.io'] } },
    notBool('insecure'),
  ],
  'insecure-pull': [
    { args: ['--insecure-pull'], options: { insecureRegistries: ['*'] } },
    notBool('insecure-pull'),
  ],
  'insecure-registry': [
    {
      args: ['--insecure-registry', 'a:1', '--insecure-registry', 'b'],
      options: { insecureRegistries: ['a:1', 'b'] },
    },
    noValue('insecure-registry'),
  ],
  'kaniko-dir': [{ args: ['--kaniko-dir', '/k'], options: { cacheDir: '/k/ossb' } }, noValue('kaniko-dir')],
  label: [
    { args: ['--label', 'a=b=c'], options: { labels: { a: 'b=c' } } },
    { args: ['--label', 'a'], says: 'labels must be of the form key=value, got a' },
  ],
  'log-format': [
    {
      args: ['--log-format', 'json', '--customPlatform', 'linux/amd64'],
      check: ({ stderr }) =>
        expect(JSON.parse(stderr.split('\n')[0] ?? '')).toEqual({
          level: 'warning',
          msg: 'Flag --customPlatform is deprecated. Use: --custom-platform',
          time: '2024-01-01T00:00:00Z',
        }),
    },
    {
      args: ['--log-format', 'x'],
      says: 'Error: not a valid log format: "x". Please specify one of (text, color, json)',
    },
  ],
  'log-timestamp': [
    {
      args: ['--log-timestamp', '--log-format=color'],
      check: ({ stderr }) => expect(stderr).toContain('\u001b[36mINFO\u001b[0m[2024-01-01T00:00:00Z] '),
    },
    notBool('log-timestamp'),
  ],
  'no-push': [
    { args: ['--no-push'], options: { outputs: [{ type: 'image', push: false }] } },
    {
      args: ['--no-push=false'],
      environment: { KANIKO_NO_PUSH: 'maybe' },
      says: 'FATA\u001b[0m[0000] invalid value "maybe" for KANIKO_NO_PUSH environment variable',
    },
  ],
  'oci-layout-path': [
    {
      args: ['--oci-layout-path', 'layout'],
      options: { outputs: [{ type: 'oci', dest: inDirectory('layout'), tar: false, single: true }] },
    },
    noValue('oci-layout-path'),
  ],
  'push-ignore-immutable-tag-errors': [
    { args: ['--push-ignore-immutable-tag-errors'], options: { ignoreImmutableTags: true } },
    notBool('push-ignore-immutable-tag-errors'),
  ],
  'registry-certificate': [
    {
      args: ['--registry-certificate', 'r.io=/ca.pem'],
      options: { certificates: [{ registry: 'r.io', authorities: '/ca.pem' }] },
    },
    {
      args: ['--registry-certificate', 'r.io'],
      says: 'Error: invalid argument "r.io" for "--registry-certificate" flag: invalid argument value. expect key=value, got r.io',
    },
  ],
  'registry-client-cert': [
    {
      args: ['--registry-client-cert', 'r.io=/c,/k'],
      options: { certificates: [{ registry: 'r.io', client: { certificate: '/c', key: '/k' } }] },
    },
    {
      args: ['--registry-client-cert', 'h=x'],
      says: "Error: failed to load client certificate/key 'h=x', expected format: h=/path/to/cert,/path/to/key",
    },
  ],
  'registry-map': [
    {
      args: ['--registry-map', 'index.docker.io=m.io;r.io=n.io/p'],
      environment: { KANIKO_REGISTRY_MAP: 'q.io=o.io' },
      check: ({ builds: [build] }) =>
        expect(build?.registryMaps).toMatchObject([
          { registry: 'docker.io', mirrors: [{ host: 'm.io' }] },
          { registry: 'r.io', mirrors: [{ host: 'n.io', prefix: 'p' }] },
          { registry: 'q.io', mirrors: [{ host: 'o.io' }] },
        ]),
    },
    { args: ['--registry-map', 'x'], says: 'does not say for which registry' },
  ],
  'registry-mirror': [
    {
      args: ['--registry-mirror', 'm.io/hub'],
      environment: { KANIKO_REGISTRY_MIRROR: 'n.io' },
      check: ({ builds: [build] }) =>
        expect(build?.registryMaps).toMatchObject([
          { registry: 'docker.io', mirrors: [{ host: 'm.io', prefix: 'hub' }] },
          { registry: 'docker.io', mirrors: [{ host: 'n.io' }] },
        ]),
    },
    { args: ['--registry-mirror', '-bad-'], says: 'is not a registry: HOST[:PORT]' },
  ],
  secret: [
    {
      args: ['--secret', 'id=a,src=token', '--secret', 'id=b,env=B', '--secret', 'id=C'],
      environment: { B: '1', C: '2' },
      options: {
        secrets: [
          { id: 'a', file: inDirectory('token') },
          { id: 'b', env: 'B' },
          { id: 'C', env: 'C' },
        ],
      },
    },
    { args: ['--secret', 'id=a,mode=1'], says: 'unknown key "mode" in secret' },
  ],
  'single-snapshot': [
    { args: ['--single-snapshot'], options: { singleLayer: true } },
    notBool('single-snapshot'),
  ],
  'skip-default-registry-fallback': [
    { args: ['--skip-default-registry-fallback'], options: { skipDefaultRegistryFallback: true } },
    notBool('skip-default-registry-fallback'),
  ],
  'skip-push-permission-check': [
    { args: ['--skip-push-permission-check'], options: { skipPushCheck: true } },
    notBool('skip-push-permission-check'),
  ],
  'skip-tls-verify': [
    { args: ['--skip-tls-verify'], options: { insecureRegistries: ['*'] } },
    notBool('skip-tls-verify'),
  ],
  'skip-tls-verify-pull': [
    { args: ['--skip-tls-verify-pull'], options: { insecureRegistries: ['*'] } },
    notBool('skip-tls-verify-pull'),
  ],
  'skip-tls-verify-registry': [
    { args: ['--skip-tls-verify-registry', 'r.io'], options: { insecureRegistries: ['r.io'] } },
    noValue('skip-tls-verify-registry'),
  ],
  'snapshot-mode': [
    { args: ['--snapshot-mode', 'redo'], options: NO_EFFECT },
    {
      args: ['--snapshot-mode', 'bad'],
      says: 'error building image: bad is not a valid snapshot mode',
    },
  ],
  snapshotMode: [
    {
      args: ['--snapshotMode=time'],
      check: ({ stderr }) =>
        expect(stderr).toContain('Flag --snapshotMode is deprecated. Use: --snapshot-mode'),
    },
    noValue('snapshotMode'),
  ],
  'tar-path': [
    {
      args: ['-d', 'r.io/app:1', '--tar-path', 'a.tar'],
      options: {
        outputs: [
          { type: 'image', push: true },
          { type: 'docker', dest: inDirectory('a.tar'), flat: true, names: ['r.io/app:1'] },
        ],
      },
    },
    {
      args: ['--tar-path', 'a.tar', '--image-format', 'oci'],
      says: 'Error: --tar-path writes a Docker schema2 tarball and cannot be used with --image-format=oci',
    },
  ],
  tarPath: [
    {
      args: ['--tarPath=a.tar'],
      options: {
        outputs: [
          {
            type: 'docker',
            dest: inDirectory('a.tar'),
            flat: true,
            names: ['docker.io/unset-repo/unset-image-name:latest'],
          },
        ],
      },
    },
    {
      args: ['--tarPath', 'a.tar', '--compression=zstd'],
      says: 'Error: --compression=zstd cannot be used with --tar-path',
    },
  ],
  target: [
    {
      args: ['--target', 'a,b', '--target=c'],
      check: ({ builds }) => {
        expect(builds.map(({ target }) => target)).toEqual(['b', 'c', 'a'])
        expect(builds.map(({ outputs }) => outputs.some((one) => 'push' in one && one.push))).toEqual([
          false,
          false,
          false,
        ])
      },
    },
    noValue('target'),
  ],
  verbosity: [
    {
      args: ['-v', 'error', '--customPlatform', 'linux/amd64'],
      check: ({ stderr }) => expect(stderr).toBe(''),
    },
    {
      args: ['--verbosity=foo'],
      says: 'Error: parsing log level: not a valid logrus Level: "foo"',
    },
  ],
  'whitelist-var-run': [
    {
      args: ['--whitelist-var-run'],
      check: ({ stderr }) =>
        expect(stderr).toContain(
          'Flag --whitelist-var-run has been deprecated, Please use ignore-var-run instead.',
        ),
    },
    notBool('whitelist-var-run'),
  ],
  ...Object.fromEntries(
    EXECUTOR_FLAGS.filter((flag) => 'effect' in flag).map(({ name }) => [name, idle(name)]),
  ),
})

async function run({ args, environment = {} }: Pick<Good, 'args' | 'environment'>): Promise<KanikoRun> {
  const context = args.some((word) => /^(?:-c|--context)\b/.test(word)) ? [] : ['-c', inDirectory('ctx')]
  const push = args.some((word) => /^(?:-d|--destination)\b/.test(word)) ? [] : ['--no-push']
  return await runKanikoCli([...push, ...context, ...args], {
    directory,
    environment,
    api: {
      targets: () =>
        Promise.resolve({
          file: { name: 'Dockerfile', text: '' },
          targets: [{ name: 'app', base: 'scratch', platform: '', isDefault: true }],
        } as never),
    },
  })
}

const NAMES = EXECUTOR_FLAGS.map(({ name }) => name)

describe('the executor', () => {
  test('has a row for each flag', () => {
    expect(NAMES.filter((name) => !(name in FLAGS()))).toEqual([])
  })

  test.each(NAMES)('takes --%s', async (name) => {
    const [good] = FLAGS()[name] ?? []
    if (good === undefined) throw new Error('no row')
    const result = await run(good)
    expect(result.stderr).not.toContain('Error: ')
    expect(result.exitCode).toBe(0)
    const plain = (await run({ args: [] })).builds[0]
    if (good.options !== undefined) expect(result.builds.at(-1)).toMatchObject(good.options)
    if (good.options === NO_EFFECT) {
      const {
        standardInput: _in,
        standardOutput: _out,
        explain: _explain,
        ...options
      } = result.builds[0] ?? {}
      expect(plain).toMatchObject(options)
    }
    good.check?.(result)
  })

  test.each(NAMES)('refuses a wrong --%s', async (name) => {
    const [, bad] = FLAGS()[name] ?? []
    if (bad === undefined) throw new Error('no row')
    const result = await run(bad)
    expect(result.stderr).toContain(bad.says)
    expect(result.exitCode).toBe(1)
    expect(result.builds).toEqual([])
  })
})
