import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { contentOf, copyAction, makePlace, pathsOf, perform } from '../../support/copy-place.ts'
import { fileSession, IDLE } from '../../support/layer-files.ts'

const TIME = 978_307_205
const STAMP = "find . -mindepth 1 -exec touch -h -d '2001-01-01 00:00:01Z' {} +"

async function copied(
  scripts: { readonly context: string; readonly root?: string },
  ...actions: readonly Parameters<typeof copyAction>[]
): Promise<readonly string[]> {
  const place = makePlace(`${scripts.context}\n${STAMP}`, scripts.root ?? '')
  await perform(place, { actions: actions.map((action) => copyAction(...action)) })
  return await contentOf(place.root)
}

describe('COPY of hard links', () => {
  const context = 'mkdir d e; echo a > d/a; ln d/a d/b; ln d/a e/c; ln -s a d/s; ln d/s d/t'

  test('keeps them within one directory, and only those of files', async () => {
    expect(await copied({ context }, [['d', 'e'], '/x/'])).toEqual([
      'x directory 755 0:0 @1',
      'x/a file 644 0:0 @1 a',
      'x/b = x/a',
      'x/c file 644 0:0 @1 a',
      'x/s symlink 777 0:0 @1 a',
      'x/t symlink 777 0:0 @1 a',
    ])
  })

  test('does not keep them between files of one pattern', async () => {
    expect(await copied({ context }, [['d/[ab]'], '/x/'])).toEqual([
      'x directory 755 0:0 @now',
      'x/a file 644 0:0 @1 a',
      'x/b file 644 0:0 @1 a',
    ])
  })
})

describe('COPY of several sources', () => {
  test('a file that replaces another one has none of its attributes', async () => {
    const place = makePlace(`echo 1 > one; echo 2 > two; ${STAMP}`, '')
    const value = Buffer.from('0100000200040000000000000000000000000000', 'hex')
    const path = join(place.context, 'one')
    await fileSession().batch([{ type: 'setxattr', path, name: 'security.capability', value }], IDLE)
    await perform(place, { actions: [copyAction(['one', 'two'], '/x')] })
    expect(await contentOf(place.root)).toEqual(['x file 644 0:0 @1 2'])
    expect(execFileSync('getcap', [join(place.root, 'x')], { encoding: 'utf8' })).toBe('')
  })

  test('a directory after a file of the same name is an error, a file after a directory goes into it', async () => {
    const context = 'mkdir d; echo a > d/a; echo f > f'
    await expect(copied({ context }, [['f', 'd'], '/x'])).rejects.toThrow('cannot copy to non-directory: /x')
    expect(pathsOf(await copied({ context }, [['d', 'f'], '/x']))).toEqual(['x', 'x/a', 'x/f'])
  })

  test.each<[string, string, string]>([
    ['mkdir -p d/n; echo > d/n/a', 'mkdir x; echo > x/n', 'cannot copy to non-directory: /x/n'],
    ['mkdir d; echo > d/n', 'mkdir -p x/n', 'cannot replace to directory /x/n with file'],
    ['mkdir d; echo > d/n', 'mkdir x y; ln -s ../y x/n', ''],
    ['mkdir -p d/n; echo > d/n/a', 'mkdir x y; ln -s ../y x/n', 'cannot copy to non-directory: /x/n'],
    ['mkdir d', 'echo > x', 'cannot copy to non-directory: /x'],
  ])('of %s onto %s', async (context, root, message) => {
    const copying = copied({ context, root }, [['d'], '/x'])
    if (message === '') expect(await copying).toContain('x/n file 644 0:0 @1')
    else await expect(copying).rejects.toThrow(message)
  })
})

describe('COPY of what is no file, directory or link', () => {
  test('makes pipes, and devices where the kernel permits them; attributes of the user stay behind', async () => {
    const place = makePlace(
      `mkdir d; mkfifo -m 620 d/p; echo a > d/a; mknod -m 640 d/zero c 1 5 || :; ${STAMP}`,
      '',
    )
    const [path, value] = [join(place.context, 'd/a'), Buffer.from('v')]
    const attribute = { path, value, name: 'user.mine', optional: true } as const
    await fileSession().batch([{ type: 'setxattr', ...attribute }], IDLE)
    await perform(place, { actions: [copyAction(['d'], '/x', { owner: '5' })] })
    const device = existsSync(join(place.context, 'd/zero')) ? ['x/zero character 640 5:5 @1'] : []
    expect(await contentOf(place.root)).toEqual([
      'x directory 755 5:5 @1',
      'x/a file 644 5:5 @1 a',
      'x/p fifo 620 5:5 @1',
      ...device,
    ])
    const [names] = await fileSession().batch([{ type: 'listxattr', path: join(place.root, 'x/a') }], IDLE)
    expect(names?.ok === true && Buffer.from(names.value).toString()).toBe('')
  })
})

describe('names mean what they mean below', () => {
  test('also when an earlier copy of the same instruction brings other users', async () => {
    const users = (uid: number) => `mkdir etc; printf 'app:x:${uid}:${uid}::/:\\n' > etc/passwd`
    const context = `${users(88)}; echo f > f`
    const owner = 'app'
    expect(await copied({ context, root: users(77) }, [['etc'], '/etc'], [['f'], '/', { owner }])).toContain(
      'f file 644 77:77 @1 f',
    )
  })
})

describe('SOURCE_DATE_EPOCH', () => {
  test('is the time of all that no source gives one', async () => {
    const place = makePlace(`mkdir d; echo a > d/a; ${STAMP}`, 'mkdir old; touch -d @978307203 old')
    const action = { type: 'mkfile', name: 'EOF', content: 'text', mode: 0o644 } as const
    const actions = [
      { type: 'mkdir', path: '/made/here', mode: 0o755 },
      { type: 'mkdir', path: '/old', mode: 0o755 },
      { ...action, destination: '/h/e/' },
      copyAction(['d'], '/c/d'),
      copyAction(['d/a'], '/f/'),
    ] as const
    await perform(place, { actions, time: TIME })
    expect(await contentOf(place.root)).toEqual([
      'c directory 755 0:0 @5',
      'c/d directory 755 0:0 @1',
      'c/d/a file 644 0:0 @1 a',
      'f directory 755 0:0 @5',
      'f/a file 644 0:0 @1 a',
      'h directory 755 0:0 @5',
      'h/e directory 755 0:0 @5',
      'h/e/EOF file 644 0:0 @5 text',
      'made directory 755 0:0 @5',
      'made/here directory 755 0:0 @5',
      'old directory 755 0:0 @3',
    ])
  })
})

describe('COPY --exclude', () => {
  const context =
    'mkdir -p d/sub; touch d/a.mp3 d/b.txt d/sub/c.mp3 d/sub/d.txt; ln -s b.txt d/l.mp3; touch e.mp3'

  test.each<[string, readonly string[], readonly string[]]>([
    ['d', ['*.mp3'], ['b.txt', 'sub', 'sub/c.mp3', 'sub/d.txt']],
    ['d', ['**/*.mp3'], ['b.txt', 'sub', 'sub/d.txt']],
    ['d/*', ['*.mp3'], ['a.mp3', 'b.txt', 'd.txt', 'l.mp3']],
    ['e.mp3', ['*.mp3', 'e.mp3'], ['e.mp3']],
    ['d', ['**'], []],
    ['d', ['*', '!sub/d.txt'], ['sub', 'sub/d.txt']],
    ['d', ['d/*.mp3', 'sub/'], ['a.mp3', 'b.txt', 'l.mp3']],
    ['.', ['d'], ['e.mp3']],
  ])('%s without %j', async (source, exclude, expected) => {
    const made = pathsOf(await copied({ context }, [[source], '/x/', { exclude }]))
    expect(made).toEqual(['x', ...expected.map((path) => `x/${path}`)])
  })

  test('a directory that is only there for an exception has the time of what is made, one that is meant its own', async () => {
    const lines = await copied({ context }, [['d'], '/x', { exclude: ['*', '!sub/d.txt'] }])
    expect(lines[1]).toBe('x/sub directory 755 0:0 @now')
    expect((await copied({ context }, [['d'], '/x']))[4]).toBe('x/sub directory 755 0:0 @1')
  })
})
