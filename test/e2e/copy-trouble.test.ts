import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Descriptor } from '../../src/core/index.ts'
import { runCommand } from '../support/command.ts'
import { type FaultRegistry, type FaultRow, startFaultRegistry } from '../support/fault-registry.ts'
import { identities } from '../support/identity.ts'
import { addImage, memoryRepository } from '../support/registry-image.ts'
import { startUploadRegistry } from '../support/upload-registry.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

/** Longer than this, and ending does not count as "at once". */
const AT_ONCE_MS = 5_000

/** A registry with an image of random layers under r/x:v1. */
async function registryWithImage(
  faults: readonly FaultRow[],
): Promise<{ readonly registry: FaultRegistry; readonly name: string; readonly image: Descriptor }> {
  const source = memoryRepository()
  const image = addImage(source, [3_000_000, 2_000_000, 1_000_000])
  const registry = await startFaultRegistry({ faults })
  onTestFinished(() => registry.stop())
  for (const [digest, bytes] of source.contents) registry.blobs.set(digest, bytes)
  const bytes = source.contents.get(image.digest) as Buffer
  for (const key of ['r/x:v1', image.digest])
    registry.manifests.set(key, { mediaType: image.mediaType, bytes })
  return { registry, name: `${registry.host}/r/x:v1`, image }
}

/** Every file below a directory but whole blobs; empty where there is none. */
function filesIn(directory: string): readonly string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/^[0-9a-f]{64}$/.test(entry.name))
    .map((entry) => entry.name)
    .sort()
}

interface Place {
  readonly name: string
  readonly at: (file: (name: string) => string) => string
  /** What lies beside whole blobs after a copy that did not come to its end. */
  readonly left: readonly string[]
  /** What ends the copy: from a terminal it comes to all of its processes, else to one. */
  readonly ending: {
    readonly signal: NodeJS.Signals
    readonly status: number
    readonly target: 'group' | 'process'
  }
}

const TERMINAL: Place['ending'] = { signal: 'SIGINT', status: 130, target: 'group' }
const SUPERVISOR: Place['ending'] = { signal: 'SIGTERM', status: 143, target: 'process' }

const PLACES: readonly Place[] = [
  {
    name: 'a layout',
    at: (file) => `oci:${file('out')}/layout:x`,
    left: ['oci-layout', 'previous.tar'],
    ending: TERMINAL,
  },
  {
    name: 'an OCI archive',
    at: (file) => `oci-archive:${file('out')}/previous.tar:x`,
    left: ['previous.tar'],
    ending: SUPERVISOR,
  },
  {
    name: 'a docker archive',
    at: (file) => `docker-archive:${file('out')}/previous.tar:x:1`,
    left: ['previous.tar'],
    ending: TERMINAL,
  },
  { name: 'the cache', at: () => 'cache:localhost/x:1', left: ['previous.tar'], ending: SUPERVISOR },
]

async function expectNothingHalf(workspace: Workspace, left: readonly string[]): Promise<void> {
  expect(filesIn(workspace.file('out'))).toEqual(left)
  expect(readFileSync(workspace.file('out/previous.tar'), 'utf8')).toBe('previous')
  expect(await workspace.leftovers()).toEqual([])
}

async function expectSuccess(workspace: Workspace, args: readonly string[], digest: string): Promise<void> {
  const again = await workspace.mustOssb(['copy', '-q', ...args])
  expect(again.stdout.trim()).toBe(digest)
  const inspected = await workspace.mustOssb(['inspect', '--raw', args[1] as string])
  expect(JSON.parse(inspected.stdout)).toMatchObject({ schemaVersion: 2 })
  expect(await workspace.leftovers()).toEqual([])
}

describe.each(await identities())('ossb copy as $name', (identity) => {
  test.each(PLACES)(
    'to $name that is interrupted leaves nothing half-written, and succeeds the next time',
    async ({ at, left, ending }) => {
      await using workspace = await createWorkspace(identity)
      await workspace.write({ 'out/previous.tar': 'previous' })
      const { registry, name, image } = await registryWithImage([
        { method: 'GET', path: /\/blobs\//, answer: { type: 'stall', after: 100_000 } },
      ])
      const args = [name, at((name) => workspace.file(name))]
      const running = workspace.startOssb(['copy', ...args])
      await expect
        .poll(() => registry.seen.filter(({ path }) => path.includes('/blobs/')).length, { timeout: 60_000 })
        .toBeGreaterThan(2)
      const sent = Date.now()
      process.kill((ending.target === 'group' ? -1 : 1) * (running.child.pid ?? 0), ending.signal)
      const result = await running.done
      expect(Date.now() - sent).toBeLessThan(AT_ONCE_MS)
      expect(result.status).toBe(ending.status)
      expect(result.stderr).toMatch(/interrupted/i)
      await expectNothingHalf(workspace, left)
      registry.heal()
      await expectSuccess(workspace, args, image.digest)
    },
  )

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'to a registry that gets %s ends its uploads, gives no tag, and succeeds the next time',
    async (signal, status) => {
      await using workspace = await createWorkspace(identity)
      const { name: source, image } = await registryWithImage([])
      const registry = await startUploadRegistry({
        rules: [{ method: 'PUT', path: /uploads/, times: 1, fault: { type: 'deaf' } }],
      })
      onTestFinished(() => registry.stop())
      const args = [source, `${registry.host}/r/y:v1`]
      const running = workspace.startOssb(['copy', ...args])
      await expect
        .poll(() => registry.lines('PUT').filter((line) => line.includes('upload')).length, {
          timeout: 60_000,
        })
        .toBeGreaterThan(0)
      running.child.kill(signal)
      const result = await running.done
      expect(result.status).toBe(status)
      expect(registry.lines('DELETE').length).toBeGreaterThan(0)
      expect(registry.lines('PUT').filter((line) => line.includes('manifests'))).toEqual([])
      expect(await workspace.leftovers()).toEqual([])
      await expectSuccess(workspace, args, image.digest)
    },
  )
})

const [self] = await identities()

/** Runs `ossb` with system calls that fail as those of a broken disk do. */
async function withBrokenDisk(workspace: Workspace, fault: string, args: readonly string[]) {
  const { node, program } = workspace.identity
  const [call = ''] = fault.split(':')
  const trace = ['-f', '-qqq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${fault}`]
  return await runCommand('strace', [...trace, node, program, 'copy', ...args], {
    cwd: workspace.path,
    env: workspace.environment(),
  })
}

test.each([
  [
    'a blob',
    'fsync:error=EIO:when=2+',
    'oci:out/layout:x',
    /Cannot write ".*out\/layout\/blobs\/sha256\/\w+": EIO: .*\n.*The disk reports errors/,
  ],
  [
    'a blob',
    'fsync:error=EDQUOT:when=2+',
    'oci:out/layout:x',
    /Cannot write ".*out\/layout\/blobs\/sha256\/\w+": disk quota exceeded \([\d.]+\w+ free in ".*out\/layout\/blobs\/sha256", [\d.]+\w+ needed\)/,
  ],
  [
    'an archive',
    'pwrite64:error=EIO:when=4+',
    'oci-archive:out/previous.tar:x',
    /Cannot write "out\/previous\.tar": EIO: .*\n.*The disk reports errors/,
  ],
  [
    'an archive',
    'pwrite64:error=EDQUOT:when=4+',
    'oci-archive:out/previous.tar:x',
    /Cannot write "out\/previous\.tar": disk quota exceeded \([\d.]+\w+ free in ".*out", 6\.\d+MB needed\)/,
  ],
])(
  'F8: a disk that fails while %s is written (%s) is one clear error, and keeps no part of it',
  async (_, fault, place, message) => {
    if (self === undefined) throw new Error('there is nobody to run as')
    await using workspace = await createWorkspace(self)
    await workspace.write({ 'out/previous.tar': 'previous' })
    const { name, image } = await registryWithImage([])
    const result = await withBrokenDisk(workspace, fault, [name, place])
    expect(result.stderr).toMatch(message)
    expect(result.status).toBe(1)
    const blobs = workspace.file('out/layout/blobs/sha256')
    const unmarked = filesIn(workspace.file('out')).filter((file) => file !== 'oci-layout')
    expect(unmarked).toEqual(['previous.tar'])
    if (existsSync(blobs)) expect(readdirSync(blobs)).not.toContainEqual(expect.stringMatching(/tmp/))
    expect(readFileSync(workspace.file('out/previous.tar'), 'utf8')).toBe('previous')
    await expectSuccess(workspace, [name, place], image.digest)
  },
)
