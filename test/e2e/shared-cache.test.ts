import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { type FaultRegistry, type FaultRow, startFaultRegistry } from '../support/fault-registry.ts'
import { identities } from '../support/identity.ts'
import { readProgress } from '../support/progress.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

const base = await miniBase()

const DOCKERFILE = `FROM oci-layout://${base}:base AS tools
RUN echo tool > /tool
FROM oci-layout://${base}:base
COPY early /early
RUN cat /early > /second
COPY --link --from=tools /tool /tool
`

const APP = { 'app/Dockerfile': DOCKERFILE, 'app/early': 'a\n' }

interface Built {
  readonly steps: readonly string[]
  readonly warnings: readonly { readonly rule: string; readonly message: string }[]
  readonly digest: string
}

/** A build on a machine of its own: each `machine` is a cache directory. */
async function build(workspace: Workspace, machine: string, args: readonly string[]): Promise<Built> {
  const cache = ['--cache-dir', workspace.file(machine)]
  const { stderr } = await workspace.mustOssb(['build', '--progress', 'json', ...cache, ...args, 'app'])
  const events = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  return {
    steps: readProgress(stderr).completed.flatMap((name) => /(?:RUN|COPY) .*/.exec(name) ?? []),
    warnings: events.filter(({ type }) => type === 'warning'),
    digest: events.find(({ type }) => type === 'result').descriptor.digest,
  }
}

async function withRegistry(
  faults: readonly FaultRow[],
  action: (registry: FaultRegistry) => Promise<void>,
): Promise<void> {
  const registry = await startFaultRegistry({ faults })
  try {
    await action(registry)
  } finally {
    await registry.stop()
  }
}

/** Blobs that were asked for, but for descriptions of caches and configs: these are JSON. */
function layersMoved({ seen, blobs }: FaultRegistry): readonly string[] {
  return seen
    .filter(({ method }) => method === 'GET')
    .flatMap(({ path }) => /\/blobs\/(sha256:\w+)$/.exec(path)?.[1] ?? [])
    .filter((digest) => blobs.get(digest)?.[0] !== '{'.charCodeAt(0))
}

const TYPES: readonly {
  readonly name: string
  readonly to: (host: string) => string
  readonly from: (host: string) => string
}[] = [
  {
    name: 'a registry, all steps',
    to: (host) => `type=registry,ref=${host}/r/app:cache,mode=max`,
    from: (host) => `${host}/r/app:cache`,
  },
  {
    name: "a registry, in BuildKit's older form",
    to: (host) => `type=registry,ref=${host}/r/cache,image-manifest=false`,
    from: (host) => `type=registry,ref=${host}/r/cache`,
  },
  { name: 'a directory', to: () => 'type=local,dest=shared', from: () => 'type=local,src=shared' },
  { name: 'the image', to: () => 'type=inline', from: (host) => `type=registry,ref=${host}/r/app:1` },
  {
    name: 'a repository of kaniko',
    to: (host) => `type=kaniko,ref=${host}/r/kaniko`,
    from: (host) => `type=kaniko,ref=${host}/r/kaniko`,
  },
]

describe.each(await identities())('as $name', (identity) => {
  test.each(TYPES)(
    '$name gives another machine every step, and the same image',
    async ({ name, to, from }) => {
      await using workspace = await createWorkspace(identity)
      await workspace.write(APP)
      await withRegistry([], async (registry) => {
        const push = ['-t', `${registry.host}/r/app:1`, '--push']
        const first = await build(workspace, 'one', [...push, '--cache-to', to(registry.host)])
        expect(first.steps).toHaveLength(4)
        const moved = layersMoved(registry).length
        const shared = ['--cache-from', from(registry.host), '--cache-to', to(registry.host)]
        const second = await build(workspace, 'two', [...push, ...shared])
        expect(second).toEqual({ steps: [], warnings: [], digest: first.digest })
        // Where a result is known by the content of its inputs alone, what is copied from a stage is looked at.
        const isLazy = name !== 'a repository of kaniko'
        if (isLazy) expect(layersMoved(registry).length).toBe(moved)
        await workspace.write({ 'app/early': 'changed\n' })
        const third = await build(workspace, 'three', ['--cache-from', from(registry.host)])
        expect(third.steps).toContain('COPY early /early')
        expect(third.steps).toContain('RUN cat /early > /second')
        expect(third.warnings).toEqual([])
      })
    },
  )
})

const [identity] = (await identities()).slice(-1)
if (identity === undefined) throw new Error('nobody runs the tests')

/** Layers of steps at the registry, before the faults begin. */
async function withCache(
  faults: (registry: FaultRegistry) => readonly FaultRow[],
  action: (workspace: Workspace, registry: FaultRegistry, first: Built) => Promise<void>,
): Promise<void> {
  await using workspace = await createWorkspace(identity as NonNullable<typeof identity>)
  await workspace.write(APP)
  const rows: FaultRow[] = []
  await withRegistry(rows, async (registry) => {
    const first = await build(workspace, 'one', [
      '--cache-to',
      `type=registry,ref=${registry.host}/r/c:cache,mode=max`,
    ])
    rows.push(...faults(registry))
    await action(workspace, registry, first)
  })
}

describe('F5: a cache that', () => {
  const MANIFEST = { method: 'GET', path: /r\/c\/manifests\// } as const
  const LAYER = { method: 'GET', path: /r\/c\/blobs\// } as const
  const status = (code: number) => ({ type: 'status', status: code, body: '' }) as const

  test.each<readonly [string, readonly FaultRow[], RegExp]>([
    [
      'refuses',
      [
        { ...MANIFEST, answer: status(403) },
        { method: 'HEAD', path: /r\/c/, answer: status(403) },
      ],
      /403/,
    ],
    ['does not answer', [{ method: '*', path: /r\/c\//, answer: { type: 'deaf' } }], /within 15 s/],
    ['is cut', [{ ...MANIFEST, answer: { type: 'cut', after: 20 } }], /./],
    ['is damaged', [{ ...MANIFEST, answer: { type: 'flip', at: 5 } }], /digest/],
    ['has lost its description', [{ ...LAYER, answer: status(404) }], /Cannot/],
  ])('%s is a miss, with a warning that says why', async (_name, faults, why) => {
    await withCache(
      () => faults,
      async (workspace, registry, first) => {
        const again = await build(workspace, 'two', ['--cache-from', `${registry.host}/r/c:cache`])
        expect([...again.steps].sort()).toEqual([...first.steps].sort())
        expect(again.warnings.map(({ rule }) => rule)).toContain('UnusableCache')
        expect(again.warnings.map(({ message }) => message).join()).toMatch(why)
      },
    )
  })

  test.each<readonly [string, FaultRow['answer']]>([
    ['is damaged', { type: 'flip', at: 9 }],
    ['is lost', status(404)],
    ['is refused', status(403)],
  ])('has a layer which %s: the steps that need it are carried out', async (_name, answer) => {
    await withCache(
      ({ blobs }) =>
        [...blobs].flatMap(([digest, bytes]) =>
          bytes[0] === '{'.charCodeAt(0) ? [] : [{ method: 'GET', path: new RegExp(digest), answer }],
        ),
      async (workspace, registry) => {
        const from = ['--cache-from', `${registry.host}/r/c:cache`, '-o', 'type=oci,dest=out.tar']
        const again = await build(workspace, 'two', from)
        expect(again.steps).toContain('RUN cat /early > /second')
        expect(again.warnings.map(({ rule }) => rule)).toContain('LostCacheLayer')
        const clean = await build(workspace, 'two', ['-o', 'type=oci,dest=clean.tar'])
        expect(clean.digest).toBe(again.digest)
      },
    )
  })

  test('is of another form is a miss: an image without a cache, one of kaniko', async () => {
    await withCache(
      () => [],
      async (workspace, registry) => {
        await build(workspace, 'one', ['-t', `${registry.host}/r/c:image`, '--push'])
        const kaniko = `${registry.host}/r/c:cache`
        const from = [
          '--cache-from',
          `${registry.host}/r/c:image`,
          '--cache-from',
          `type=kaniko,ref=${kaniko}`,
        ]
        const again = await build(workspace, 'two', from)
        expect(again.steps).toHaveLength(4)
        expect(again.warnings.map(({ message }) => message).join()).toContain('something else is there')
      },
    )
  })
})

test('F6: a cache that takes nothing does not fail a build, unless that was asked for', async () => {
  await withCache(
    () => [{ method: 'POST', path: /r\/full\//, answer: { type: 'status', status: 507, body: '' } }],
    async (workspace, registry) => {
      const to = `type=registry,ref=${registry.host}/r/full:cache`
      const built = await build(workspace, 'one', ['--cache-to', to])
      expect(built.warnings).toMatchObject([
        { rule: 'CacheNotWritten', message: expect.stringMatching(/r\/full:cache was not written: .*507/) },
      ])
      const cache = ['--cache-dir', workspace.file('one')]
      const strict = await workspace.ossb([
        'build',
        ...cache,
        '--cache-to',
        `${to},ignore-error=false`,
        'app',
      ])
      expect(strict.status).not.toBe(0)
      expect(strict.stderr).toContain('507')
    },
  )
})

test('F7: a layer that is gone when it is to be mounted is made again, and the push succeeds', async () => {
  await withCache(
    () => [],
    async (workspace, registry) => {
      const { host, blobs, manifests } = registry
      const manifest = JSON.parse(String(manifests.get('r/c:cache')?.bytes)) as {
        layers: { digest: string }[]
      }
      for (const { digest } of manifest.layers) blobs.delete(digest)
      const push = ['-t', `${host}/r/app:1`, '--push', '--cache-from', `${host}/r/c:cache`]
      const built = await build(workspace, 'two', push)
      expect(built.steps).toContain('RUN cat /early > /second')
      const pushed = JSON.parse(String(manifests.get('r/app:1')?.bytes)) as typeof manifest
      for (const { digest } of pushed.layers) expect(blobs.has(digest)).toBe(true)
    },
  )
})
