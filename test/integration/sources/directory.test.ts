import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { selectSources, walkSource } from '../../../src/fs/index.ts'
import { openDirectory } from '../../../src/sources/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'ossb-directory-'))
afterAll(() => rmSync(directory, { recursive: true }))

const file = (path: string): string => join(directory, path)
function write(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(file(path)), { recursive: true })
    writeFileSync(file(path), text)
  }
}

/** What of a context is seen, the directories left out. */
function seen(context: string, dockerfile?: string): readonly string[] {
  const tree = openDirectory(file(context), dockerfile === undefined ? undefined : file(dockerfile))
  return selectSources(tree, '.').flatMap((source) =>
    [...walkSource(tree, source, undefined)].flatMap(({ path, stats }) => (stats.isFile() ? [path] : [])),
  )
}

describe('openDirectory() hides', () => {
  write({
    'app/.dockerignore': 'a\n.dockerignore\n',
    'app/a': '',
    'app/b': '',
    'app/Dockerfile': '',
    'app/other.Dockerfile': '',
    'app/other.Dockerfile.dockerignore': 'b\n*ocker*\n',
    'app/empty.dockerignore': '',
    'elsewhere/Dockerfile.dockerignore': 'Dockerfile\n*.*\n',
  })

  test.each<[string | undefined, readonly string[]]>([
    [
      undefined,
      ['Dockerfile', 'b', 'empty.dockerignore', 'other.Dockerfile', 'other.Dockerfile.dockerignore'],
    ],
    [
      'app/Dockerfile',
      ['Dockerfile', 'b', 'empty.dockerignore', 'other.Dockerfile', 'other.Dockerfile.dockerignore'],
    ],
    ['app/other.Dockerfile', ['a']],
    [
      'app/empty',
      [
        '.dockerignore',
        'Dockerfile',
        'a',
        'b',
        'empty.dockerignore',
        'other.Dockerfile',
        'other.Dockerfile.dockerignore',
      ],
    ],
    ['elsewhere/Dockerfile', ['a', 'b']],
  ])('what the ignore file says that counts for %s', (dockerfile, expected) => {
    expect(seen('app', dockerfile)).toEqual(expected)
  })

  test.each([
    ['!', 'Cannot use "!" as a pattern: illegal exclusion pattern: "!"'],
    ['a[', 'Cannot use "a[" as a pattern: syntax error in pattern'],
  ])('nothing, but says what is wrong with the pattern %s', (pattern, message) => {
    write({ 'bad/.dockerignore': `${pattern}\n` })
    expect(() => openDirectory(file('bad'), undefined)).toThrow(
      `Cannot use "${file('bad/.dockerignore')}": ${message}`,
    )
  })
})
