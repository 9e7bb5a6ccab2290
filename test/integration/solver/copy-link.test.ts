import { describe, expect, test } from 'vitest'
import { createCodec } from '../../../src/codec/index.ts'
import type { CopyAction, FileOp } from '../../../src/graph/index.ts'
import { createFileRunner } from '../../../src/solver/index.ts'
import { contentOf, copyAction, makePlace, perform } from '../../support/copy-place.ts'
import { fileSession, IDLE } from '../../support/layer-files.ts'

const CONTEXT = `
  mkdir dir; echo a > dir/a; echo f > file; chown 3:4 dir/a; chmod 700 dir
  find . -exec touch -d '2001-01-01 00:00:01Z' {} +`
const USERS = (uid: number): string => `
  mkdir etc; printf 'root:x:0:0::/:/bin/sh\\napp:x:${uid}:78::/:/bin/sh\\n' > etc/passwd
  printf 'root:x:0:\\nstaff:x:50:\\n' > etc/group`

const runner = createFileRunner(fileSession(), createCodec({ workers: 0 }))

function linkOp(more: Partial<CopyAction> = {}): FileOp {
  return { kind: 'file', actions: [copyAction(['dir', 'file'], '/to/z/', { link: true, ...more })] }
}

/** What an operation reads of what it lies above, by digest. */
async function readBelow(op: FileOp, root: string): Promise<readonly string[]> {
  const own = runner.selections(op).filter(({ input }) => input === 0)
  return await Promise.all(own.map((selection) => selection.digest({ root }, IDLE)))
}

describe('COPY --link', () => {
  test('is independent of what it lies above, unless one of its actions is not', () => {
    const mkdir = { type: 'mkdir', path: '/x', mode: 0o755 } as const
    const plain = copyAction(['file'], '/')
    expect(runner.isIndependent?.(linkOp())).toBe(true)
    expect(runner.isIndependent?.({ kind: 'file', actions: [...linkOp().actions, plain] })).toBe(false)
    expect(runner.isIndependent?.({ kind: 'file', actions: [mkdir] })).toBe(false)
  })

  test('gives directories that it makes to root, and those of --chown to the owner', async () => {
    const place = makePlace(CONTEXT, '')
    await perform(place, linkOp())
    expect(await contentOf(place.root)).toEqual([
      'to directory 755 0:0 @now',
      'to/z directory 755 0:0 @1',
      'to/z/a file 644 0:0 @1 a',
      'to/z/file file 644 0:0 @1 f',
    ])
  })

  test.each<[string, string]>([
    ['app', '77:78'],
    ['app:staff', '77:50'],
    [':staff', '0:50'],
    ['nobody-here', '0:0'],
    ['5', '5:5'],
  ])('--chown=%s is looked up in what lies below', async (owner, expected) => {
    const place = makePlace(CONTEXT, '')
    const below = makePlace('', USERS(77)).root
    await perform(place, linkOp({ owner }), { below })
    expect(await contentOf(place.root)).toEqual([
      `to directory 755 ${expected} @now`,
      `to/z directory 755 ${expected} @1`,
      `to/z/a file 644 ${expected} @1 a`,
      `to/z/file file 644 ${expected} @1 f`,
    ])
  })

  test('reads nothing of what lies below, but who its owner is', async () => {
    const [one, other] = [makePlace('', USERS(77)).root, makePlace('', USERS(88)).root]
    expect(await readBelow(linkOp(), one)).toEqual([])
    expect(await readBelow(linkOp({ owner: '5:6' }), one)).toEqual([])
    expect(await readBelow(linkOp({ owner: 'root:staff' }), one)).toEqual(
      await readBelow(linkOp({ owner: 'root:staff' }), other),
    )
    expect(await readBelow(linkOp({ owner: 'app' }), one)).not.toEqual(
      await readBelow(linkOp({ owner: 'app' }), other),
    )
  })
})

describe('--chown FROM scratch', () => {
  const base = { kind: 'scratch' } as const

  test.each(['app', '5:staff', 'app:5', ':staff'])(
    '=%s is an error, as there are no names',
    async (owner) => {
      const plain = { actions: [copyAction(['file'], '/', { owner })] }
      await expect(perform(makePlace(CONTEXT, ''), plain, { base })).rejects.toThrow('invalid user index: -1')
      await expect(perform(makePlace(CONTEXT, ''), linkOp({ owner }), { base })).rejects.toThrow(
        'invalid user index: -1',
      )
    },
  )

  test.each<[string, string]>([
    ['root', '0:0'],
    ['7', '7:7'],
    ['7:root', '7:0'],
    [':8', '0:8'],
  ])('=%s needs none', async (owner, expected) => {
    const place = makePlace(CONTEXT, '')
    await perform(place, { actions: [copyAction(['file'], '/', { owner })] }, { base })
    expect(await contentOf(place.root)).toEqual([`file file 644 ${expected} @1 f`])
  })

  test('a directory for a user by name is an error too', async () => {
    const actions = [{ type: 'mkdir', path: '/x', mode: 0o755, owner: 'app' }] as const
    await expect(perform(makePlace('', ''), { actions }, { base })).rejects.toThrow('invalid user index: -1')
  })
})
