import { mkdir, readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { type CommandResult, runCommand } from '../support/command.ts'
import { give, identities } from '../support/identity.ts'
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
cp "$disk/out.tar" "$disk.kept"; ls -A "$disk" > "$disk.listing"
mount -o remount,size=400m "$disk" || exit 99
as "$@"; second=$?
echo "statuses $first $second"`

async function buildOnSmallDisk(workspace: Workspace, args: readonly string[]): Promise<CommandResult> {
  const { identity } = workspace
  await workspace.write({ 'app/Dockerfile': DOCKERFILE })
  await mkdir(workspace.file('disk'))
  await give(workspace.file('disk'), identity)
  const isRoot = process.getuid?.() === 0
  const enter = isRoot ? ['--mount'] : ['--user', '--map-auto', '--map-root-user', '--mount']
  const owner = `${identity.uid ?? 0}:${identity.gid ?? 0}`
  const ossb = [identity.node, identity.program, 'build', '--progress', 'plain', ...args, 'app']
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
    const result = await buildOnSmallDisk(workspace, args)
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
})
