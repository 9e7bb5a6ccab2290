import { describe, expect, test } from 'vitest'
import { buildOptionsOf, runCli } from '../../support/cli-host.ts'

describe('ossb build', () => {
  test('without flags builds the working directory into the store', async () => {
    expect(await buildOptionsOf([])).toEqual({
      context: '.',
      buildContexts: {},
      tags: [],
      buildArgs: {},
      platforms: [],
      labels: {},
      noCache: false,
      outputs: [],
      compression: { type: 'gzip' },
      imageFormat: 'oci',
      rewriteTimestamp: false,
      executor: 'auto',
      frontend: 'dockerfile',
      cacheDir: '/home/me/.cache/ossb',
      insecureRegistries: [],
      environment: { HOME: '/home/me' },
    })
  })

  test.each([
    ['a context', ['ctx'], { context: 'ctx' }],
    ['standard input', ['-'], { context: '-' }],
    [
      '--build-context',
      ['--build-context', 'a=x=y', '--build-context', 'b::linux/arm64=oci-layout://l:1', 'ctx'],
      { context: 'ctx', buildContexts: { a: 'x=y', 'b::linux/arm64': 'oci-layout://l:1' } },
    ],
    ['a context of digits', ['0x10'], { context: '0x10' }],
    ['-f', ['-f', 'a/Dockerfile'], { dockerfile: 'a/Dockerfile' }],
    ['-f -', ['-f', '-', '.'], { dockerfile: '-', context: '.' }],
    ['--file=-', ['--file=-'], { dockerfile: '-' }],
    ['the last of two --target', ['--target', 'a', '--target', 'b'], { target: 'b' }],
    ['several tags', ['-t', 'a:1', '--tag', 'b'], { tags: ['a:1', 'b'] }],
    ['--registry', ['--registry', 'r.io/team/'], { registry: 'r.io/team' }],
    [
      'build arguments as they are written',
      ['--build-arg', 'A=1', '--build-arg', 'B=0x10', '--build-arg', 'C=a=b,c', '--build-arg', 'D='],
      { buildArgs: { A: '1', B: '0x10', C: 'a=b,c', D: '' } },
    ],
    ['a label with dots', ['--label', 'a.b=c', '--label', 'd'], { labels: { 'a.b': 'c', d: '' } }],
    ['a value that begins with a dash', ['--label=--x=-1'], { labels: { '--x': '-1' } }],
    ['--platform', ['--platform', 'linux/arm64'], { platforms: ['linux/arm64'] }],
    ['several', ['--platform', 'arm64, local', '--platform', 'arm64'], { platforms: ['arm64', 'local'] }],
    ['--no-cache', ['--no-cache', '.'], { noCache: true, context: '.' }],
    ['--executor', ['--executor', 'local'], { executor: 'local' }],
    ['--rootless', ['--rootless'], { executor: 'rootless' }],
    ['--frontend', ['--frontend', 'other'], { frontend: 'other' }],
    ['--cache-dir', ['--cache-dir', '/c'], { cacheDir: '/c' }],
    [
      'compression',
      ['--compression', 'zstd', '--compression-level', '3'],
      { compression: { type: 'zstd', level: 3 } },
    ],
    [
      'compression of an output',
      ['-o', 'type=image,compression=uncompressed'],
      {
        compression: { type: 'uncompressed' },
      },
    ],
    ['--image-format', ['--image-format', 'docker'], { imageFormat: 'docker' }],
    ['rewrite-timestamp', ['-o', 'type=image,rewrite-timestamp=true'], { rewriteTimestamp: true }],
    ['--push', ['--push', '-t', 'a'], { tags: ['a'], outputs: [{ type: 'image', push: true }] }],
    [
      'two insecure registries',
      ['--insecure-registry', 'localhost:5000', '--insecure-registry', 'r.io'],
      { insecureRegistries: ['localhost:5000', 'r.io'] },
    ],
    ['what follows --', ['-q', '--', '-odd'], { context: '-odd' }],
  ])('takes %s', async (_what, args, expected) => {
    expect(await buildOptionsOf(args)).toMatchObject(expected)
  })

  test.each([
    ['a build argument', ['--build-arg', 'A'], { A: 'x' }, { buildArgs: { A: 'x' } }],
    ['no build argument when not set', ['--build-arg', 'A'], {}, { buildArgs: {} }],
    ['the cache directory', [], { OSSB_CACHE_DIR: '/o', XDG_CACHE_HOME: '/x' }, { cacheDir: '/o' }],
    ['XDG_CACHE_HOME', [], { XDG_CACHE_HOME: '/x' }, { cacheDir: '/x/ossb' }],
    ['no relative XDG_CACHE_HOME', [], { XDG_CACHE_HOME: 'x' }, { cacheDir: '/home/me/.cache/ossb' }],
    [
      'the executor, unless the flag is given',
      ['--executor', 'local'],
      { OSSB_EXECUTOR: 'rootless' },
      { executor: 'local' },
    ],
    ['the platform', [], { DOCKER_DEFAULT_PLATFORM: 'linux/arm64' }, { platforms: ['linux/arm64'] }],
  ])('takes from the environment %s', async (_what, args, environment, expected) => {
    expect(await buildOptionsOf(args, environment)).toMatchObject(expected)
  })

  test.each([
    [
      ['--push'],
      'ERROR: Cannot push: tag is needed when pushing to registry\nhint: Name the image with -t REGISTRY/NAME:TAG.\n',
    ],
    [
      ['--build-arg', '=x'],
      'ERROR: Cannot use --build-arg "=x": the name is empty\nhint: Write --build-arg NAME=VALUE.\n',
    ],
    [
      ['--registry', 'https://r.io'],
      'ERROR: Cannot use "https://r.io" for --registry: it is a URL\nhint: Leave out "https://"; plain HTTP is asked for with --insecure-registry.\n',
    ],
    [
      ['--compression', 'zstd', '-o', 'type=image,compression=gzip'],
      'ERROR: Cannot use --compression zstd with an --output that says gzip\nhint: Say it once.\n',
    ],
    [
      ['--compression-level', '10'],
      'ERROR: Cannot use "10" for --compression-level: it is not a number from 1 to 9\nhint: 1 is fast, 9 is small.\n',
    ],
    [
      ['--rootless', '--executor', 'local'],
      'ERROR: Cannot use --rootless with --executor local\nhint: Give one of them.\n',
    ],
    [
      ['--iidfile', 'x', '-o', 'tar'],
      'ERROR: Cannot use --iidfile: local and tar exporters are incompatible with image ID file\nhint: Use an output that holds an image: image, registry, oci or docker.\n',
    ],
    [
      ['--build-context', 'tools', '.'],
      'ERROR: Cannot use --build-context "tools": it gives no context\nhint: Write --build-context NAME=CONTEXT.\n',
    ],
    [
      ['--build-context', '=x', '.'],
      'ERROR: Cannot use --build-context "=x": the name is empty\nhint: Write --build-context NAME=VALUE.\n',
    ],
  ])('refuses %j', async (args, stderr) => {
    expect(await runCli(['build', ...args])).toEqual({ exitCode: 2, stdout: '', stderr })
  })
})
