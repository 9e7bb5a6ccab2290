import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type FileEntry, OssbError } from '../../../src/core/index.ts'
import { openFileSession, walkTree } from '../../../src/native/index.ts'
import { environments, IDLE, publicHelper } from './environment.ts'

describe.each(environments())('FileSession as $name', (environment) => {
  test('does a batch in order and gives the values', async () => {
    const directory = environment.directory()
    environment.shell(directory, 'printf x >file; ln -s file link; printf y >other')
    await using session = openFileSession(environment.helper)
    const at = (name: string) => join(directory, name)
    const results = await session.batch(
      [
        { type: 'setxattr', path: at('file'), name: 'user.test', value: Buffer.from('a\0b') },
        { type: 'getxattr', path: at('file'), name: 'user.test' },
        { type: 'listxattr', path: at('file') },
        { type: 'removexattr', path: at('file'), name: 'user.test' },
        { type: 'getxattr', path: at('file'), name: 'user.test', optional: true },
        { type: 'settimes', path: at('link'), mtimeNs: 1_000_000_001n },
        { type: 'settimes', path: at('file'), mtimeNs: -1_500_000_000n, atimeNs: 7n },
        { type: 'mknod', path: at('fifo'), fileType: 'fifo', mode: 0o4666, major: 0, minor: 0 },
        { type: 'mknod', path: at('whiteout'), fileType: 'character', mode: 0, major: 0, minor: 0 },
        { type: 'rename', path: at('file'), to: at('other'), mode: 'exchange' },
        { type: 'rename', path: at('file'), to: at('other'), mode: 'noreplace', optional: true },
      ],
      IDLE,
    )
    expect(results.map((result) => (result.ok ? Buffer.from(result.value).toString() : result.code))).toEqual(
      ['', 'a\0b', 'user.test\0', '', 'ENODATA', '', '', '', '', '', 'EEXIST'],
    )
    expect(
      environment.shell(
        directory,
        `find . -mindepth 1 -printf '%f %y %m %T@ %A@\\n' | sort | cut -d ' ' -f 1-4`,
      ),
    ).toMatch(
      /^fifo p 4666 \d+\.\d+\nfile f 644 \d+\.\d+\nlink l 777 1\.0000000010\nother f 644 -2\.5000000000\nwhiteout c 0 \d+\.\d+\n$/,
    )
    expect(readFileSync(at('file'), 'utf8')).toBe('y')
  })

  test('makes files whole, in the place of all but directories', async () => {
    const directory = environment.directory()
    environment.shell(directory, 'printf old >file; ln -s file link; mkdir directory')
    await using session = openFileSession(environment.helper)
    const create = (name: string, mode: number, gid: number) =>
      ({
        type: 'create',
        path: join(directory, name),
        mode,
        uid: 0,
        gid,
        mtimeNs: 1000000001n,
        content: Buffer.from(name),
        optional: true,
      }) as const
    const results = await session.batch(
      [
        create('file', 0o6751, 0),
        create('link', 0, 0),
        create('directory', 0o644, 0),
        create('no/x', 0o644, 0),
      ],
      IDLE,
    )
    expect(results.map((result) => (result.ok ? 'made' : result.code))).toEqual([
      'made',
      'made',
      'EISDIR',
      'ENOENT',
    ])
    expect(
      environment.shell(
        directory,
        `find . -type f -printf '%f %m %U:%G %T@ ' -exec cat {} ';' -printf '\\n' | sort`,
      ),
    ).toBe('file 6751 0:0 1.0000000010 file\nlink 0 0:0 1.0000000010 link\n')
  })

  test('says which operation failed on which path, and did the others', async () => {
    const directory = environment.directory()
    await using session = openFileSession(environment.helper)
    const failing = session.batch(
      [
        { type: 'settimes', path: join(directory, 'missing'), mtimeNs: 0n },
        { type: 'mknod', path: join(directory, 'made'), fileType: 'fifo', mode: 0o600, major: 0, minor: 0 },
      ],
      IDLE,
    )
    await expect(failing).rejects.toThrow(`Cannot set the times of "${directory}/missing": ENOENT: utimensat`)
    await expect(failing).rejects.toBeInstanceOf(OssbError)
    expect(statSync(join(directory, 'made')).isFIFO()).toBe(true)
  })

  test('tells the free space', async () => {
    await using session = openFileSession(environment.helper)
    const [result] = await session.batch([{ type: 'statfs', path: '/' }], IDLE)
    if (result?.ok !== true) throw new Error('no result')
    const numbers = Buffer.from(result.value)
    expect(numbers.readBigUInt64LE(0)).toBeGreaterThan(numbers.readBigUInt64LE(8))
  })

  test('carries ten thousand operations in one batch', async () => {
    const directory = environment.directory()
    environment.shell(directory, 'touch file')
    await using session = openFileSession(environment.helper)
    const path = join(directory, 'file')
    const operations = Array.from({ length: 10_000 }, (_, index) => ({
      type: 'settimes' as const,
      path,
      mtimeNs: BigInt(index),
    }))
    expect(await session.batch(operations, IDLE)).toHaveLength(10_000)
    expect(statSync(path, { bigint: true }).mtimeNs).toBe(9999n)
  })

  test('locks: one exclusive or many shared, also within one session', async () => {
    const path = join(environment.directory(), 'lock')
    await using one = openFileSession(environment.helper)
    await using two = openFileSession(environment.helper)
    const shared = await one.lock(path, 'shared', { wait: false }, IDLE)
    const other = await two.lock(path, 'shared', { wait: false }, IDLE)
    expect([shared === undefined, other === undefined]).toEqual([false, false])
    expect(await one.lock(path, 'exclusive', { wait: false }, IDLE)).toBeUndefined()
    await other?.[Symbol.asyncDispose]()
    const waiting = two.lock(path, 'exclusive', { wait: true }, IDLE)
    await new Promise((resolve) => setTimeout(resolve, 100))
    await shared?.[Symbol.asyncDispose]()
    await shared?.[Symbol.asyncDispose]()
    expect(await waiting).toBeDefined()
    expect(await one.lock(path, 'shared', { wait: false }, IDLE)).toBeUndefined()
  })

  test('locks: a wait ends with the job, a lock with its session', async () => {
    const path = join(environment.directory(), 'lock')
    const one = openFileSession(environment.helper)
    await using two = openFileSession(environment.helper)
    await one.lock(path, 'exclusive', { wait: true }, IDLE)
    const abort = new AbortController()
    const waiting = two.lock(path, 'exclusive', { wait: true }, { signal: abort.signal, emit: () => {} })
    setTimeout(() => abort.abort(new Error('enough')), 50)
    await expect(waiting).rejects.toThrow('enough')
    await one[Symbol.asyncDispose]()
    expect(await two.lock(path, 'exclusive', { wait: false }, IDLE)).toBeDefined()
  })

  test('refuses work after it has ended', async () => {
    const session = openFileSession(environment.helper)
    await session.batch([{ type: 'statfs', path: '/' }], IDLE)
    await session[Symbol.asyncDispose]()
    await expect(session.batch([{ type: 'statfs', path: '/' }], IDLE)).rejects.toThrow(
      'the native helper ended',
    )
  })
})

/** Mounts of a session are seen where it runs: here only root shares that place with the test, by its own helper. */
describe.each(
  environments()
    .filter(({ name }) => name === 'root')
    .map((environment) => ({ ...environment, helper: publicHelper() })),
)('FileSession.mount() as $name', (environment) => {
  test('mounts an overlay on many directories with awkward names', async () => {
    const base = environment.directory()
    const lower = Array.from({ length: 450 }, (_, index) => join(base, `l:${index},\\ "x"`))
    for (const [index, path] of lower.entries()) {
      mkdirSync(path)
      writeFileSync(join(path, `only-${index}`), String(index))
      writeFileSync(join(path, 'all'), String(index))
    }
    const [upper, work, target] = ['upper,=', 'work:', 'merged target'].map((name) => join(base, name)) as [
      string,
      string,
      string,
    ]
    for (const path of [upper, work, target]) mkdirSync(path)
    await using session = openFileSession(environment.helper)
    const mounted = await session.mount({ type: 'overlay', target, lower, upper, work }, IDLE)
    expect(readFileSync(join(target, 'all'), 'utf8')).toBe('0')
    expect(readFileSync(join(target, 'only-449'), 'utf8')).toBe('449')
    writeFileSync(join(target, 'new'), 'n')
    expect(readFileSync(join(upper, 'new'), 'utf8')).toBe('n')
    await mounted[Symbol.asyncDispose]()
    expect(() => statSync(join(target, 'all'))).toThrow('ENOENT')
  })

  test('gives an upper directory that holds exactly the changes', async () => {
    const base = environment.directory()
    environment.shell(
      base,
      'mkdir -p lower/gone lower/replaced lower/kept upper work merged; touch lower/replaced/old lower/file',
    )
    await using session = openFileSession(environment.helper)
    const [lower, upper, work, target] = ['lower', 'upper', 'work', 'merged'].map((name) =>
      join(base, name),
    ) as [string, string, string, string]
    await using _mounted = await session.mount(
      { type: 'overlay', target, lower: [lower], upper, work, volatile: true },
      IDLE,
    )
    environment.shell(
      target,
      'rmdir gone; rm -r replaced; mkdir replaced; touch replaced/new; rm file; mv kept moved 2>/dev/null || { mkdir moved; rmdir kept; }',
    )
    const entries: FileEntry[] = []
    for await (const batch of walkTree(environment.helper, upper, IDLE)) entries.push(...batch)
    expect(
      entries.map(
        ({ path, type, rdevMajor, rdevMinor, opaque }) =>
          `${path} ${type}${type === 'character' ? ` ${rdevMajor}:${rdevMinor}` : ''}${opaque === true ? ' opaque' : ''}`,
      ),
    ).toEqual([
      ' directory',
      'file character 0:0',
      'gone character 0:0',
      'kept character 0:0',
      'moved directory',
      'replaced directory opaque',
      'replaced/new file',
    ])
  })

  test('mounts read-only overlays and binds, and unmounts what is left when it ends', async () => {
    const base = environment.directory()
    environment.shell(base, 'mkdir a b one two three; echo a >a/f; echo b >b/g')
    const at = (name: string) => join(base, name)
    const session = openFileSession(environment.helper)
    await session.mount({ type: 'overlay', target: at('one'), lower: [at('a')] }, IDLE)
    await session.mount({ type: 'overlay', target: at('two'), lower: [at('a'), at('b')] }, IDLE)
    await session.mount({ type: 'bind', source: at('a'), target: at('three'), readonly: true }, IDLE)
    for (const name of ['one', 'two', 'three'])
      expect(() => writeFileSync(at(`${name}/new`), '')).toThrow('EROFS')
    expect(readFileSync(at('two/g'), 'utf8')).toBe('b\n')
    await expect(
      session.mount({ type: 'overlay', target: at('one'), lower: [at('a'), at('missing')] }, IDLE),
    ).rejects.toThrow(/Cannot mount overlay on ".*one": ENOENT: open lower directory/)
    await session[Symbol.asyncDispose]()
    for (const name of ['one', 'two', 'three']) expect(() => statSync(at(`${name}/f`))).toThrow('ENOENT')
  })
})
