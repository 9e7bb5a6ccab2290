import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { identities } from '../support/identity.ts'
import { startUploadRegistry } from '../support/upload-registry.ts'
import { createWorkspace } from '../support/workspace.ts'

/** Two seconds for the uploads, and some for the rest of the build on a busy machine. */
const END_MS = 5000

const ENDINGS = [
  { signal: 'SIGTERM', status: 143 },
  { signal: 'SIGINT', status: 130 },
] as const

interface TraceSpan {
  readonly name: string
  readonly ph: string
  readonly ts: number
  readonly dur: number
}

async function readSpans(file: string): Promise<readonly TraceSpan[]> {
  const { traceEvents } = JSON.parse(await readFile(file, 'utf8')) as { traceEvents: readonly TraceSpan[] }
  return traceEvents.filter(({ ph }) => ph === 'X')
}

describe.each(await identities())('as $name', (identity) => {
  test.each(ENDINGS)(
    'D17: $signal during a push ends its uploads and leaves no tag',
    async ({ signal, status }) => {
      await using workspace = await createWorkspace(identity)
      const registry = await startUploadRegistry({
        rules: [{ method: 'PUT', path: /uploads/, fault: { type: 'deaf', reads: true } }],
      })
      try {
        await workspace.write({
          'app/Dockerfile': 'FROM scratch\nCOPY one /\nCOPY two /\n',
          'app/one': 'x'.repeat(100_000),
          'app/two': 'y'.repeat(200_000),
        })
        const names = ['a', 'b'].flatMap((name) => ['-t', `${registry.host}/r/${name}:1`])
        const running = workspace.startOssb(['build', ...names, '--push', '--iidfile', 'id', 'app'])
        const uploads = () => registry.lines('PUT').length
        await Promise.race([expect.poll(uploads, { timeout: 60_000 }).toBe(2), running.done])
        const sent = performance.now()
        process.kill(running.child.pid ?? 0, signal)
        const result = await running.done
        expect(performance.now() - sent).toBeLessThan(END_MS)
        expect(result.status).toBe(status)
        expect(result.stderr).toMatch(/interrupted/i)
        expect(registry.content.sessions.size).toBe(0)
        expect(registry.content.manifests.size).toBe(0)
        // The two that were sending, and the one that the check before the build had opened for the other repository.
        expect(registry.lines('DELETE').length).toBeGreaterThanOrEqual(2)
        expect(await workspace.leftovers()).toEqual([])
      } finally {
        await registry.stop()
      }
    },
  )

  test('a layer is sent while a later step still runs', async () => {
    await using workspace = await createWorkspace(identity)
    const registry = await startUploadRegistry()
    const uploads = () => registry.lines('PUT').filter((line) => line.includes('upload'))
    // The step ends well only when a layer is there before it ends.
    const probe = createServer((_request, response) => {
      response.statusCode = uploads().length > 0 ? 200 : 404
      response.end()
    })
    await once(probe.listen(0, '127.0.0.1'), 'listening')
    const { port } = probe.address() as AddressInfo
    try {
      await workspace.write({
        'app/Dockerfile': `FROM oci-layout://${await miniBase()}:base
COPY one /
RUN for i in $(seq 300); do wget -q -O /dev/null http://127.0.0.1:${port}/ && exit 0; sleep 0.1; done; exit 1
`,
        'app/one': randomBytes(50_000).toString('hex'),
      })
      const profile = ['--profile', 'trace.json']
      await workspace.mustOssb(['build', '-t', `${registry.host}/r/a:1`, '--push', ...profile, 'app'])
      const spans = await readSpans(workspace.file('trace.json'))
      const names = spans.map(({ name }) => name)
      for (const part of ['hash the layer', 'exporting to registry', 'ossb build'])
        expect(names).toContain(part)
      // The first layer is compressed while the second step runs, which takes the longest.
      const ends = ({ ts, dur }: TraceSpan) => ts + dur
      const compressed = spans.filter(({ name }) => name.startsWith('compress '))
      const [longest] = spans.filter(({ name }) => name === 'carry it out').sort((a, b) => b.dur - a.dur)
      expect(compressed).toHaveLength(2)
      expect(Math.min(...compressed.map(ends))).toBeLessThan(longest === undefined ? 0 : ends(longest))
      // Two layers of steps, the base's, and the config: each once.
      expect(uploads()).toHaveLength(4)
    } finally {
      probe.close()
      await registry.stop()
    }
  })

  test.each([
    ['is sent while it is hashed and compressed', '', []],
    ['of which others are made is sent while it is compressed', 'COPY two /\n', []],
    [
      'that a registry does not take so is sent when it is whole',
      '',
      [{ method: 'PATCH', fault: { type: 'status', status: 413 } }],
    ],
  ] as const)('a large layer %s', async (_what, more, rules) => {
    await using workspace = await createWorkspace(identity)
    const registry = await startUploadRegistry({ rules })
    try {
      // Too random to become smaller.
      const one = randomBytes(40 * 1024 * 1024)
      await workspace.write({
        'app/Dockerfile': `FROM scratch\nCOPY one /\n${more}`,
        'app/one': one,
        'app/two': '2',
      })
      const names = ['a', 'b'].flatMap((name) => ['-t', `${registry.host}/r/${name}:1`])
      await workspace.mustOssb(['build', ...names, '--push', 'app'])
      const bodies = registry.seen
        .filter(({ path, bytes }) => path.includes('/uploads/') && bytes > one.length)
        .map(({ method, path }) => `${method} ${path.replace(/.*\/v2\/(r\/[ab])\/.*/, '$1')}`)
      const isRefused = rules.length > 0
      expect(bodies).toEqual(isRefused ? ['PATCH r/a', expect.stringMatching(/^PUT/)] : ['PATCH r/a'])
      const [layer, ...others] = [...registry.content.blobs.entries()].filter(
        ([, { length }]) => length > one.length,
      )
      // The one repository has it from the other.
      expect(others).toHaveLength(1)
      expect(gunzipSync(layer?.[1] ?? '').includes(one)).toBe(true)
    } finally {
      await registry.stop()
    }
  })

  test('D16: one name that can not be pushed does not keep the other from its tag', async () => {
    await using workspace = await createWorkspace(identity)
    const registry = await startUploadRegistry({
      rules: [{ method: 'PUT', path: /r\/b\/manifests\/1$/, fault: { type: 'status', status: 403 } }],
    })
    try {
      await workspace.write({ 'app/Dockerfile': 'FROM scratch\nCOPY one /\n', 'app/one': 'x' })
      const names = ['a', 'b', 'c'].flatMap((name) => ['-t', `${registry.host}/r/${name}:1`])
      const result = await workspace.ossb(['build', ...names, '--push', '--iidfile', 'id', 'app'])
      expect(result.status).not.toBe(0)
      expect(result.stderr).toContain(`the tag "1" in "${registry.host}/r/b": 403`)
      const tags = [...registry.content.manifests.keys()].filter((key) => key.endsWith(' 1'))
      expect(tags.sort()).toEqual(['r/a 1', 'r/c 1'])
      // One layer and one config, for three repositories.
      expect(registry.lines('PUT').filter((line) => line.includes('upload'))).toHaveLength(2)
    } finally {
      await registry.stop()
    }
  })

  test('D13: a tag that may not move is an error, or with a flag a warning', async () => {
    await using workspace = await createWorkspace(identity)
    const body = '{"errors":[{"code":"DENIED","message":"the tag is immutable"}]}'
    const registry = await startUploadRegistry({ immutableTags: { status: 409, body } })
    try {
      await workspace.write({ 'app/Dockerfile': 'FROM scratch\nCOPY one /\n', 'app/one': '1' })
      const first = ['build', '-t', `${registry.host}/r/a:1`, '--push', 'app']
      const build = [...first, '-t', `${registry.host}/r/a:2`]
      await workspace.mustOssb(first)
      await workspace.write({ 'app/one': '2' })
      const refused = await workspace.ossb(build)
      expect(refused.status).not.toBe(0)
      expect(refused.stderr).toContain('--push-ignore-immutable-tag-errors')
      const ignored = await workspace.mustOssb([...build, '--push-ignore-immutable-tag-errors'])
      expect(ignored.stderr).toMatch(/the tag can't be changed, and stands for sha256:\w+: 409 DENIED/)
      expect(ignored.stderr).toContain(`registry ${registry.host}/r/a:2`)
      expect(ignored.stderr).not.toContain(`registry ${registry.host}/r/a:1`)
    } finally {
      await registry.stop()
    }
  })

  test('a limit of requests, asked for or met, makes no difference to what is pushed', async () => {
    await using workspace = await createWorkspace(identity)
    const open = await startUploadRegistry()
    const limited = await startUploadRegistry({ limit: 200_000 })
    try {
      await workspace.write({
        'app/Dockerfile': 'FROM scratch\nCOPY one /\n',
        'app/one': 'x'.repeat(600_000),
      })
      const build = (host: string, ...more: string[]) =>
        workspace.mustOssb([
          'build',
          '--compression',
          'uncompressed',
          '-t',
          `${host}/r/a:1`,
          '--push',
          ...more,
          'app',
        ])
      await build(open.host, '--upload-chunk-size', '250k')
      await build(limited.host)
      expect(open.lines('PATCH')).toHaveLength(3)
      expect(limited.lines('PATCH').length).toBeGreaterThan(3)
      expect([...limited.content.blobs.keys()].sort()).toEqual([...open.content.blobs.keys()].sort())
    } finally {
      await open.stop()
      await limited.stop()
    }
  })
})
