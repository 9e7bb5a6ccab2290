import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { createRegistryExporter } from '../../src/exporters/index.ts'
import { createRegistryClient } from '../../src/registry/index.ts'
import { miniBase } from '../support/base-image.ts'
import { type CommandResult, runCommand } from '../support/command.ts'
import { give, identities } from '../support/identity.ts'
import { handMadeLayout, named } from '../support/layout-image.ts'
import { addImage, memoryRepository } from '../support/registry-image.ts'
import { imageOf, recordingJob, tarLayer } from '../support/sample-image.ts'
import { startUploadRegistry } from '../support/upload-registry.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

const base = await miniBase()

/** Twelve megabytes that no compressor makes smaller: they fit the disk once, not twice. */
const DOCKERFILE = `FROM oci-layout://${base}:base\nRUN head -c 12000000 /dev/urandom > /big\n`

/**
 * Mounts a small disk where only the build sees it, builds, gives the disk room, and builds again. Before, the disk
 * holds "out.tar"; what it and the rest of the disk are after the first build is left beside it.
 */
const SCRIPT = `disk=$1 owner=$2; shift 2
mount -t tmpfs -o size=20m,mode=755 none "$disk" && printf previous > "$disk/out.tar" && chown -R "$owner" "$disk" || exit 99
as() { if [ "$owner" = 0:0 ]; then "$@"; else setpriv --reuid "\${owner%:*}" --regid "\${owner#*:}" --clear-groups -- "$@"; fi; }
as "$@"; first=$?
cp "$disk/out.tar" "$disk.kept"; (cd "$disk" && find .) > "$disk.listing"
mount -o remount,size=400m "$disk" || exit 99
as "$@"; second=$?
echo "statuses $first $second"`

async function buildOnSmallDisk(
  workspace: Workspace,
  args: readonly string[],
  dockerfile = DOCKERFILE,
): Promise<CommandResult> {
  await workspace.write({ 'app/Dockerfile': dockerfile })
  return await onSmallDisk(workspace, ['build', '--progress', 'plain', ...args, 'app'])
}

async function onSmallDisk(workspace: Workspace, args: readonly string[]): Promise<CommandResult> {
  const { identity } = workspace
  await mkdir(workspace.file('disk'))
  await give(workspace.file('disk'), identity)
  const isRoot = process.getuid?.() === 0
  const enter = isRoot ? ['--mount'] : ['--user', '--map-auto', '--map-root-user', '--mount']
  const owner = `${identity.uid ?? 0}:${identity.gid ?? 0}`
  const ossb = [identity.node, identity.program, ...args]
  return runCommand('unshare', [...enter, 'sh', '-c', SCRIPT, 'sh', workspace.file('disk'), owner, ...ossb], {
    cwd: workspace.path,
    env: workspace.environment(),
  })
}

describe.each(await identities())('as $name', (identity) => {
  test('a full disk under an output is one clear error and leaves the output that was there', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/more': 'x' })
    const args = ['-o', 'type=tar,dest=disk/other.tar', '-o', 'type=oci,dest=disk/out.tar']
    // More than the disk takes: an output that fails makes room for the other one.
    const result = await buildOnSmallDisk(workspace, args, DOCKERFILE.replace('12', '24'))
    expect(result.stderr).toMatch(/no space left/i)
    expect(result.stdout).toContain('statuses 1 0')
    expect(await readFile(workspace.file('disk.kept'), 'utf8')).toBe('previous')
    expect((await readFile(workspace.file('disk.listing'), 'utf8')).split('\n')).not.toContainEqual(
      expect.stringMatching(/tmp|part/),
    )
    expect(await workspace.leftovers()).toEqual([])
  })

  test('a full disk under the cache is one clear error and leaves a cache that works', async () => {
    await using workspace = await createWorkspace(identity)
    const result = await buildOnSmallDisk(workspace, ['--cache-dir', 'disk/cache'])
    expect(result.stderr).toMatch(/no space left/i)
    expect(result.stderr).toContain('ossb cache prune')
    expect(result.stdout).toContain('statuses 1 0')
    expect(await workspace.leftovers()).toEqual([])
  })

  test('a RUN that fills the disk fails alone, and leaves a cache that works', async () => {
    await using workspace = await createWorkspace(identity)
    const dockerfile = `FROM oci-layout://${base}:base\nRUN head -c 30000000 /dev/zero > /big\n`
    const result = await buildOnSmallDisk(workspace, ['--cache-dir', 'disk/cache'], dockerfile)
    expect(result.stderr).toMatch(/did not complete successfully: exit code: 1/)
    expect(result.stdout).toContain('statuses 1 0')
    expect(await workspace.leftovers()).toEqual([])
  })

  test.each([
    ['a layout', 'oci:disk/layout:x', /".*disk\/layout\/blobs\/sha256\/\w+"/, '9.00MB'],
    ['an archive', 'oci-archive:disk/out.tar:x', /"disk\/out\.tar"/, '27.0MB'],
    ['the cache', 'cache:localhost/x:1', /".*disk\/cache\/blobs\/sha256\/\w+"/, '9.00MB'],
  ])(
    'F8: a disk that fills up while ossb copy writes %s is one clear error, and keeps no part',
    async (_, place, where, needed) => {
      await using workspace = await createWorkspace(identity)
      await workspace.fill('image', async (directory) => {
        const layout = handMadeLayout(directory)
        const source = memoryRepository()
        const image = addImage(source, [9_000_000, 9_000_000, 9_000_000])
        for (const bytes of source.contents.values()) layout.put('', bytes)
        layout.finish([named(image, 'x')])
      })
      const args = ['copy', '--progress', 'plain', '--cache-dir', 'disk/cache', 'oci:image:x', place]
      const result = await onSmallDisk(workspace, args)
      expect(result.stderr).toMatch(
        new RegExp(
          `Cannot write ${where.source}: no space left on the device \\([\\d.]+\\w*B free in "[^"]*", ${needed} needed\\)`,
        ),
      )
      expect(result.stdout).toContain('statuses 1 0')
      expect(await readFile(workspace.file('disk.kept'), 'utf8')).toBe('previous')
      const left = (await readFile(workspace.file('disk.listing'), 'utf8')).split('\n')
      expect(left).not.toContainEqual(expect.stringMatching(/\.tmp-|index\.json$/))
      expect(await workspace.leftovers()).toEqual([])
    },
  )

  test('F8: a disk that fills up while a base image arrives is one clear error, and keeps no part of it', async () => {
    await using workspace = await createWorkspace(identity)
    const registry = await startUploadRegistry()
    const client = createRegistryClient({ insecureRegistries: [], environment: { HOME: '/nonexistent' } })
    try {
      const name = `${registry.host}/base:1`
      const layer = tarLayer({ big: randomBytes(12_000_000).toString('hex') }, 'uncompressed')
      await createRegistryExporter({
        names: [name],
        format: 'oci',
        repository: (reference, behaviour) => client.repository(reference, behaviour),
      }).export([imageOf([layer])], recordingJob())
      const result = await buildOnSmallDisk(
        workspace,
        ['--cache-dir', 'disk/cache'],
        `FROM ${name}\nCOPY Dockerfile /\n`,
      )
      // It is unpacked while it comes: either may be the first that finds no room.
      expect(result.stderr).toMatch(
        /Cannot (?:write ".*disk\/cache\/blobs\/sha256\/\w+"|unpack "big"): no space left on the device \([\d.]+\w*B free in ".*", 24\.0MB needed\)/,
      )
      expect(result.stderr).toContain('ossb cache prune')
      expect(result.stdout).toContain('statuses 1 0')
      // The disk was full: its configuration came, the layer did not, and the next build brought it.
      const gets = registry.lines('GET').filter((line) => line === 'GET blobs/D')
      expect(gets.length).toBeGreaterThanOrEqual(3)
      expect(await workspace.leftovers()).toEqual([])
    } finally {
      await client[Symbol.asyncDispose]()
      await registry.stop()
    }
  })
})
