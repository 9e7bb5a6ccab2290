import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Job } from '../../../src/core/index.ts'
import type { ProcessMount } from '../../../src/executors/index.ts'
import { createPatternMatcher, type SourceTree } from '../../../src/fs/index.ts'
import type { Mount } from '../../../src/graph/index.ts'
import { openFileSession } from '../../../src/native/index.ts'
import { type MountContext, prepareMounts } from '../../../src/solver/ops/exec-mounts.ts'
import { openSshAgents } from '../../../src/sources/index.ts'
import { openWorkspace, storePaths } from '../../../src/store/index.ts'
import { fileSession, HELPER, IDLE, newDirectory } from '../../support/layer-files.ts'

const CACHE = {
  type: 'cache',
  target: '/c',
  id: 'c',
  sharing: 'shared',
  readonly: false,
  source: '/',
  mode: 0o700,
  uid: 3,
  gid: 4,
} as const

async function makeContext(): Promise<MountContext & AsyncDisposable & { tree: SourceTree }> {
  const directory = newDirectory()
  const paths = storePaths(join(directory, 'cache'))
  const session = fileSession()
  const workspace = await openWorkspace(paths, session, IDLE)
  const root = join(directory, 'context')
  mkdirSync(root)
  execFileSync(
    'sh',
    [
      '-euc',
      'mkdir dir; echo a > dir/a; echo h > dir/hidden; echo f > file; ln -s dir link; ln -s ../../../.. up',
    ],
    { cwd: root },
  )
  return {
    paths,
    session,
    workspace,
    tree: { root },
    secrets: { read: () => undefined },
    sshAgents: openSshAgents({ sources: [], environment: {}, directory: newDirectory }),
    [Symbol.asyncDispose]: () => workspace[Symbol.asyncDispose](),
  }
}

const sourceOf = (mount: ProcessMount | undefined) => (mount?.type === 'bind' ? mount.source : '')

describe('prepareMounts()', () => {
  test('binds a tree as it is where nothing is hidden or written', async () => {
    await using context = await makeContext()
    const bind = (source: string): Mount => ({ type: 'bind', target: '/t', input: 1, source, readonly: true })
    const trees = new Map([[1, context.tree]])
    await using mounts = await prepareMounts([bind('/link'), bind('/up/file')], trees, context, IDLE)
    expect(mounts.list.map(sourceOf)).toEqual(['dir', 'file'].map((name) => join(context.tree.root, name)))
  })

  test.each<[string, boolean, readonly string[]]>([
    ['what may be written', false, ['a', 'hidden']],
    ['what an ignore file hides a part of', true, ['a']],
  ])('binds a copy of %s', async (_what, hides, names) => {
    await using context = await makeContext()
    const tree = hides ? { ...context.tree, ignore: createPatternMatcher(['dir/hidden']) } : context.tree
    const mount: Mount = { type: 'bind', target: '/t', input: 1, source: '/dir', readonly: hides }
    await using mounts = await prepareMounts([mount], new Map([[1, tree]]), context, IDLE)
    const source = sourceOf(mounts.list[0])
    expect(source.startsWith(context.workspace.path)).toBe(true)
    expect(readdirSync(source)).toEqual(names)
    writeFileSync(join(source, 'a'), 'written')
    expect(readFileSync(join(context.tree.root, 'dir/a'), 'utf8')).toBe('a\n')
  })

  test('makes a cache once, with its mode and owner, filled from another tree', async () => {
    await using context = await makeContext()
    const mount: Mount = { ...CACHE, input: 1, source: '/dir' }
    const trees = new Map([[1, context.tree]])
    const prepare = async () => {
      await using mounts = await prepareMounts([mount], trees, context, IDLE)
      return sourceOf(mounts.list[0])
    }
    const directory = await prepare()
    const { mode, uid, gid } = statSync(directory)
    expect([mode & 0o7777, uid, gid, readdirSync(directory)]).toEqual([0o700, 3, 4, ['a', 'hidden']])
    rmSync(join(directory, 'a'))
    expect(await prepare()).toBe(directory)
    expect(readdirSync(directory)).toEqual(['hidden'])
  })

  test('shows a directory of a cache that stays the same whatever another RUN does to its path', async () => {
    await using context = await makeContext()
    const mount: Mount = { ...CACHE, source: '/sub/deep' }
    await using mounts = await prepareMounts([mount], new Map(), context, IDLE)
    const shown = sourceOf(mounts.list[0])
    const cache = join(context.paths.mounts, readdirSync(context.paths.mounts)[0] ?? '')
    renameSync(join(cache, 'sub'), join(cache, 'moved'))
    symlinkSync('/', join(cache, 'sub'))
    writeFileSync(join(shown, 'file'), '')
    expect(readdirSync(join(cache, 'moved', 'deep'))).toEqual(['file'])
    await using again = await prepareMounts([mount], new Map(), context, IDLE)
    expect(readdirSync(sourceOf(again.list[0]))).toEqual([])
    expect(readdirSync(cache).sort()).toEqual(['deep', 'moved', 'sub'])
  })

  test('leaves no half-made cache behind', async () => {
    await using context = await makeContext()
    const mount: Mount = { ...CACHE, input: 1, source: '/missing' }
    await expect(prepareMounts([mount], new Map([[1, context.tree]]), context, IDLE)).rejects.toThrow(
      '"/missing": not found',
    )
    expect(readdirSync(context.paths.mounts)).toEqual([])
  })

  test('shares a cache, gives private ones to each, and makes others wait for a locked one', async () => {
    await using context = await makeContext()
    await using other = openFileSession(HELPER)
    const elsewhere = { ...context, session: other }
    const prepare = (sharing: 'shared' | 'private' | 'locked', at: MountContext, job: Job = IDLE) =>
      prepareMounts([{ ...CACHE, id: sharing, sharing }], new Map(), at, job)
    for (const [sharing, same] of [
      ['shared', true],
      ['private', false],
    ] as const) {
      await using first = await prepare(sharing, context)
      await using second = await prepare(sharing, elsewhere)
      expect(sourceOf(first.list[0]) === sourceOf(second.list[0])).toBe(same)
    }
    const first = await prepare('locked', context)
    let entered = false
    const waiting = prepare('locked', elsewhere).then((mounts) => {
      entered = true
      return mounts
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(entered).toBe(false)
    const abort = new AbortController()
    const stopped = prepare('locked', elsewhere, { signal: abort.signal, emit: () => {} })
    abort.abort(new Error('stop'))
    await expect(stopped).rejects.toThrow('stop')
    await first[Symbol.asyncDispose]()
    await using second = await waiting
    expect(sourceOf(second.list[0])).toBe(sourceOf(first.list[0]))
  })

  test('a file is written with its mode, and a missing secret is an error only where it is required', async () => {
    await using context = await makeContext()
    const secret = { type: 'secret', id: 's', mode: 0o400, uid: 0, gid: 0 } as const
    await using mounts = await prepareMounts(
      [
        { type: 'file', target: '/script', content: 'text', mode: 0o500 },
        { ...secret, required: false },
        { type: 'tmpfs', target: '/t', size: 5 },
      ],
      new Map(),
      context,
      IDLE,
    )
    expect(mounts.list).toHaveLength(2)
    const source = sourceOf(mounts.list[0])
    expect([readFileSync(source, 'utf8'), statSync(source).mode & 0o7777]).toEqual(['text', 0o500])
    await expect(prepareMounts([{ ...secret, required: true }], new Map(), context, IDLE)).rejects.toThrow(
      'secret s: not found',
    )
    expect(existsSync(source)).toBe(true)
  })
})
