import { describe, expect, test } from 'vitest'
import { createPatternMatcher } from '../../../src/fs/index.ts'
import { contentOf, copyAction, makePlace, type Place, pathsOf, perform } from '../../support/copy-place.ts'

const CONTEXT = `
  mkdir -p x/y/deep x/z other
  for file in top.c x/one.c x/y/a.c x/y/b.h x/y/deep/c.c x/z/d.c other/e.c; do echo $file > $file; done
  ln x/y/a.c x/y/hard.c; ln -s y x/link
  chmod 640 x/y/a.c; chmod 750 x; chmod 711 x/y; chown 5:6 x/y x/y/a.c
  find . -mindepth 1 -exec touch -h -d '2001-01-01 00:00:01Z' {} +`

function place(root = ''): Place {
  return makePlace(CONTEXT, root)
}

async function copied(
  target: Place,
  sources: readonly string[],
  destination: string,
  more: Parameters<typeof copyAction>[2] = {},
  time?: number,
): Promise<readonly string[]> {
  const actions = [copyAction(sources, destination, { parents: true, ...more })]
  await perform(target, { actions, ...(time === undefined ? {} : { time }) })
  return await contentOf(target.root)
}

describe('COPY --parents', () => {
  test.each<[string, readonly string[]]>([
    ['x/y/a.c', ['x', 'x/y', 'x/y/a.c']],
    ['x/y/deep', ['x', 'x/y', 'x/y/deep', 'x/y/deep/c.c']],
    ['top.c', ['top.c']],
    ['x/./y/a.c', ['y', 'y/a.c']],
    ['x/./y/./a.c', ['y', 'y/a.c']],
    ['./././x/one.c', ['x', 'x/one.c']],
    ['x/*/*.c', ['x', 'x/y', 'x/y/a.c', 'x/y/hard.c', 'x/z', 'x/z/d.c']],
    ['x/./*/*.h', ['y', 'y/b.h']],
    [
      '**/*.c',
      [
        'other',
        'other/e.c',
        'top.c',
        'x',
        'x/one.c',
        'x/y',
        'x/y/a.c',
        'x/y/deep',
        'x/y/deep/c.c',
        'x/y/hard.c',
        'x/z',
        'x/z/d.c',
      ],
    ],
    ['x/./**/c.c', ['y', 'y/deep', 'y/deep/c.c']],
    ['x/*/./*.c', ['a.c', 'd.c', 'hard.c']],
    ['[xo]*/./y', ['y', 'y/a.c', 'y/b.h', 'y/deep', 'y/deep/c.c', 'y/hard.c']],
    ['x/li*', ['x', 'x/link']],
    ['x/link/./deep/c.c', ['deep', 'deep/c.c']],
    ['nothing*/x', []],
    ['x/./nothing*', []],
  ])('%s', async (source, expected) => {
    expect(pathsOf(await copied(place(), [source], '/'))).toEqual(expected)
  })

  test('gives what leads to a file the mode and owner of the source, and what it selects the times too', async () => {
    expect(await copied(place(), ['x/y/a.c', 'x/y/deep'], '/to/z', { ownership: 'kept' })).toEqual([
      'to directory 755 0:0 @now',
      expect.stringMatching(/^to\/z directory 755 0:0 @/),
      'to/z/x directory 750 0:0 @now',
      'to/z/x/y directory 711 5:6 @now',
      'to/z/x/y/a.c file 640 5:6 @1 x/y/a.c',
      'to/z/x/y/deep directory 755 0:0 @1',
      'to/z/x/y/deep/c.c file 644 0:0 @1 x/y/deep/c.c',
    ])
  })

  test('--chown and --chmod hold for what leads there too', async () => {
    expect(await copied(place(), ['x/./y/a.c'], '/to', { owner: '7', mode: '700' })).toEqual([
      'to directory 700 7:7 @1',
      'to/y directory 700 7:7 @now',
      'to/y/a.c file 700 7:7 @1 x/y/a.c',
    ])
  })

  test('SOURCE_DATE_EPOCH is the time of what leads there', async () => {
    const time = 978_307_205
    expect(await copied(place(), ['x/y/a.c'], '/to/z/', {}, time)).toEqual([
      'to directory 755 0:0 @5',
      expect.stringMatching(/^to\/z directory 755 0:0 @/),
      'to/z/x directory 750 0:0 @5',
      'to/z/x/y directory 711 0:0 @5',
      'to/z/x/y/a.c file 640 0:0 @1 x/y/a.c',
    ])
  })

  test('into what exists: a directory that leads there takes the mode, one that is selected takes all', async () => {
    const existing = 'mkdir -p x/y/deep; chmod 700 x x/y x/y/deep; chown 9:9 x x/y x/y/deep'
    expect(await copied(place(existing), ['x/y/a.c', 'x/y/deep'], '/')).toEqual([
      'x directory 750 9:9 @now',
      'x/y directory 711 9:9 @now',
      'x/y/a.c file 640 0:0 @1 x/y/a.c',
      'x/y/deep directory 755 0:0 @1',
      'x/y/deep/c.c file 644 0:0 @1 x/y/deep/c.c',
    ])
  })

  test('keeps hard links, and links that it selects', async () => {
    expect(await copied(place(), ['x/./**/*.c', 'x/./link'], '/')).toEqual([
      'link symlink 777 0:0 @1 y',
      'one.c file 644 0:0 @1 x/one.c',
      'y directory 711 0:0 @now',
      'y/a.c file 640 0:0 @1 x/y/a.c',
      'y/deep directory 755 0:0 @now',
      'y/deep/c.c file 644 0:0 @1 x/y/deep/c.c',
      'y/hard.c = y/a.c',
      'z directory 755 0:0 @now',
      'z/d.c file 644 0:0 @1 x/z/d.c',
    ])
  })

  test('--exclude counts from where the pattern does', async () => {
    const exclude = ['y/*.h', '**/deep', 'x']
    expect(pathsOf(await copied(place(), ['x/./y'], '/', { exclude }))).toEqual(['y', 'y/a.c', 'y/hard.c'])
  })

  test('--exclude with an exception brings back what leads to it', async () => {
    const exclude = ['y', '!y/deep/c.c']
    expect(pathsOf(await copied(place(), ['x/./*'], '/', { exclude }))).toEqual([
      'link',
      'one.c',
      'y',
      'y/deep',
      'y/deep/c.c',
      'z',
      'z/d.c',
    ])
  })

  test('an ignore file hides from it', async () => {
    const target = place()
    const tree = { ignore: createPatternMatcher(['x/y/*', '!x/y/deep']) }
    await perform(target, { actions: [copyAction(['**/*.c'], '/', { parents: true })] }, { tree })
    expect(pathsOf(await contentOf(target.root)).filter((path) => path.startsWith('x/y'))).toEqual([
      'x/y',
      'x/y/deep',
      'x/y/deep/c.c',
    ])
  })

  test('a destination is a directory, also without a slash, also when nothing is selected', async () => {
    expect(pathsOf(await copied(place(), ['top.c'], '/to'))).toEqual(['to', 'to/top.c'])
    expect(pathsOf(await copied(place(), ['no*'], '/to'))).toEqual(['to'])
  })

  test.each<[string, string]>([
    ['x/missing', '"/x/missing": not found'],
    ['x/./y/missing', '"/x/y/missing": not found'],
    ['missing/./y*', '"/missing": not found'],
    ['../x/../missing', '"/missing": not found'],
  ])('%s is an error', async (source, message) => {
    await expect(copied(place(), [source], '/')).rejects.toThrow(message)
  })

  test.each<[string, string]>([
    ['echo > x', 'cannot copy to non-directory: /x'],
    ['mkdir -p x/y/a.c', 'cannot replace to directory /x/y/a.c with file'],
  ])('onto %s is an error', async (root, message) => {
    await expect(copied(place(root), ['x/y/a.c'], '/')).rejects.toThrow(message)
  })
})
