import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FileEntry } from '../../../src/core/index.ts'
import { openFileSession, walkTree } from '../../../src/native/index.ts'
import { type Environment, environments, IDLE } from './environment.ts'

async function walk(environment: Environment, root: string): Promise<readonly FileEntry[]> {
  const entries: FileEntry[] = []
  for await (const batch of walkTree(environment.helper, root, IDLE)) entries.push(...batch)
  return entries
}

/** What does not change from run to run, as one line. */
function line(entry: FileEntry): string {
  const { path, type, mode, uid, gid, size, linkTarget, capability, opaque } = entry
  return [
    JSON.stringify(path),
    type,
    mode.toString(8),
    `${uid}:${gid}`,
    ...(type === 'directory' ? [] : [size]),
    ...(linkTarget === undefined ? [] : [`-> ${linkTarget}`]),
    ...(capability === undefined ? [] : [Buffer.from(capability).toString('hex')]),
    ...(opaque === true ? ['opaque'] : []),
  ].join(' ')
}

describe.each(environments())('walkTree() as $name', (environment) => {
  test('gives every kind of file, directories first and names in byte order', async () => {
    const root = environment.directory()
    environment.shell(
      root,
      `chmod 755 .; mkdir -p b/deep b-dash a.d; printf hello >b/deep/file; printf x >b.txt; ln -s ../elsewhere b/link
       mkfifo -m 600 pipe; chmod 4755 b.txt; chown 3:7 b/deep/file; printf ü >"grün zeile"; touch A _ é
       chown -h 5:6 b/link; ln b.txt hard`,
    )
    expect((await walk(environment, root)).map(line)).toMatchInlineSnapshot(`
      [
        """ directory 755 0:0",
        ""A" file 644 0:0 0",
        ""_" file 644 0:0 0",
        ""a.d" directory 755 0:0",
        ""b" directory 755 0:0",
        ""b/deep" directory 755 0:0",
        ""b/deep/file" file 644 3:7 5",
        ""b/link" symlink 777 5:6 12 -> ../elsewhere",
        ""b-dash" directory 755 0:0",
        ""b.txt" file 4755 0:0 1",
        ""grün zeile" file 644 0:0 2",
        ""hard" file 4755 0:0 1",
        ""pipe" fifo 600 0:0 0",
        ""é" file 644 0:0 0",
      ]
    `)
  })

  test('gives the same numbers as lstat', async () => {
    const root = environment.directory()
    environment.shell(
      root,
      `mkdir d; printf hello >d/f; ln d/f d/g; touch -d '1965-01-02 03:04:05.678901234' d/f`,
    )
    for (const entry of await walk(environment, root)) {
      const status = lstatSync(join(root, entry.path), { bigint: true })
      expect(entry).toMatchObject({
        size: Number(status.size),
        mtimeNs: status.mtimeNs,
        ctimeNs: status.ctimeNs,
        ino: status.ino,
        dev: Number(status.dev),
        nlink: Number(status.nlink),
      })
    }
  })

  test('gives file capabilities as a layer holds them', async () => {
    const root = environment.directory()
    environment.shell(root, 'printf x >program; setcap cap_net_raw+ep program')
    const [, program] = await walk(environment, root)
    expect(Buffer.from(program?.capability ?? []).toString('hex')).toBe(
      '0100000200200000000000000000000000000000',
    )
  })

  test('marks opaque directories of an overlay', async () => {
    const root = environment.directory()
    environment.shell(root, 'mkdir opaque plain')
    await using session = openFileSession(environment.helper)
    const [name, value] = ['user.overlay.opaque', Buffer.from('y')]
    await session.batch([{ type: 'setxattr', path: join(root, 'opaque'), name, value }], IDLE)
    expect(
      (await walk(environment, root)).filter((entry) => entry.opaque).map((entry) => entry.path),
    ).toEqual(['opaque'])
  })

  test('walks deeper than paths and descriptors reach', async () => {
    const root = environment.directory()
    const name = 'n'.repeat(100)
    environment.shell(
      root,
      `i=0; while [ $i -lt 400 ]; do mkdir ${name}; cd -P ${name}; i=$((i+1)); done; touch bottom`,
    )
    const entries = await walk(environment, root)
    expect([entries.length, entries.at(-1)?.path.length, entries.at(-1)?.type]).toEqual([
      402,
      101 * 400 + 6,
      'file',
    ])
    environment.shell(root, `rm -rf ${name}`)
  })

  test('refuses a name that is not UTF-8, and names what can not be read', async () => {
    const root = environment.directory()
    environment.shell(root, `touch "$(printf 'bad\\377')"`)
    await expect(walk(environment, root)).rejects.toThrow(
      /Cannot read the tree ".*": the name of "bad\ufffd"/,
    )
    await expect(walk(environment, join(root, 'missing'))).rejects.toThrow(
      /Cannot read the tree ".*missing": ENOENT: open directory/,
    )
  })

  test('stops when the job is aborted, or the reader has enough', async () => {
    const root = environment.directory()
    environment.shell(root, 'i=0; while [ $i -lt 4000 ]; do : >$i; i=$((i+1)); done')
    const abort = new AbortController()
    const walking = walkTree(environment.helper, root, { signal: abort.signal, emit: () => {} })
    await walking[Symbol.asyncIterator]().next()
    abort.abort(new Error('enough'))
    await expect(drain(walking)).rejects.toThrow('enough')
    for await (const batch of walkTree(environment.helper, root, IDLE)) {
      expect(batch.length).toBeGreaterThan(0)
      break
    }
  })
})

async function drain(walking: AsyncIterable<unknown>): Promise<void> {
  for await (const batch of walking) void batch
}

test('walkTree() reads 10,000 files', async () => {
  const [environment] = environments()
  if (environment === undefined) throw new Error('no environment')
  const root = environment.directory()
  for (let index = 0; index < 100; index++) {
    mkdirSync(join(root, `d${index}`))
    for (let file = 0; file < 99; file++) writeFileSync(join(root, `d${index}`, `f${file}`), '')
  }
  symlinkSync('x', join(root, 'link'))
  expect(await walk(environment, root)).toHaveLength(10_002)
})
