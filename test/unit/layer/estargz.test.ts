import { createHash } from 'node:crypto'
import { gunzipSync, inflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { createCodec } from '../../../src/codec/index.ts'
import { createEstargz } from '../../../src/layer/estargz.ts'
import { encodeTarHeader, paddingOf, type TarHeader } from '../../../src/layer/tar-header.ts'
import { readTar, type TarPart } from '../../../src/layer/tar-reader.ts'

const MIB = 1024 * 1024

const header = (path: string, more: Partial<TarHeader> = {}): TarHeader => ({
  path,
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtimeNs: 1_700_000_000_000_000_000n,
  linkTarget: '',
  devMajor: 0,
  devMinor: 0,
  xattrs: new Map(),
  ...more,
})

const file = (path: string, content: Buffer, more: Partial<TarHeader> = {}) => [
  encodeTarHeader(header(path, { size: content.length, ...more })),
  content,
  Buffer.alloc(paddingOf(content.length)),
]

/** Ten MiB that no window repeats. */
const LARGE = Buffer.from(
  Uint32Array.from({ length: (10 * MIB + 8) / 4 }, (_, i) => Math.imul(i, 2_654_435_761)).buffer,
)

const TAR = Buffer.concat([
  encodeTarHeader(header('d/', { type: 'directory', mode: 0o1755 })),
  ...file('d/small', Buffer.from('some text\n'), { uid: 5, gid: 6 }),
  encodeTarHeader(header('d/empty')),
  encodeTarHeader(header('d/soft', { type: 'symlink', linkTarget: '../x' })),
  encodeTarHeader(header('d/hard', { type: 'hardlink', linkTarget: 'd/small' })),
  ...file('large', LARGE),
  ...file(`d/${'long'.repeat(60)}`, Buffer.alloc(4 * MIB, 'x')),
  ...file('capable', Buffer.from('x'), { xattrs: new Map([['security.capability', Uint8Array.of(1, 2)]]) }),
  encodeTarHeader(header('null', { type: 'character', devMajor: 1, devMinor: 3 })),
  Buffer.alloc(1024),
])

async function* inPieces(bytes: Buffer, size = 700_001) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function make(workers: number, level?: number) {
  await using codec = createCodec({ workers })
  const { chunks, facts } = createEstargz(inPieces(TAR), { codec, ...(level === undefined ? {} : { level }) })
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return { blob: Buffer.concat(parts), ...facts() }
}

const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** The beginning of what one member holds (RFC 1952, without any optional field). */
const member = (blob: Buffer, offset: number, size: number): Buffer => {
  expect(blob.subarray(offset, offset + 4)).toEqual(Buffer.from([0x1f, 0x8b, 8, 0]))
  return inflateRawSync(blob.subarray(offset + 10)).subarray(0, size)
}

interface Entry {
  readonly name: string
  readonly type: string
  readonly size?: number
  readonly offset: number
  readonly chunkOffset?: number
  readonly chunkSize?: number
  readonly digest?: string
  readonly chunkDigest?: string
}

function readToc(blob: Buffer): { readonly entries: readonly Entry[]; readonly json: Buffer } {
  const footer = blob.subarray(-51)
  expect(gunzipSync(footer)).toHaveLength(0)
  expect(footer.toString('latin1', 32, 38)).toBe('STARGZ')
  const tail = inflateRawSync(blob.subarray(Number.parseInt(footer.toString('latin1', 16, 32), 16) + 10))
  expect(tail.toString('latin1', 0, 18)).toBe('stargz.index.json\0')
  const json = tail.subarray(512, 512 + Number.parseInt(tail.toString('latin1', 124, 135), 8))
  const { version, entries } = JSON.parse(json.toString())
  expect(version).toBe(1)
  return { entries, json }
}

test('the whole is a tar of the same entries, a landmark in front and the table of contents behind', async () => {
  const { blob, diffId, annotations } = await make(0)
  const whole = gunzipSync(blob)
  expect(sha256(whole)).toBe(diffId)
  const paths: string[] = []
  await readTar(inPieces(whole), (part: TarPart) => {
    if ('path' in part) paths.push(part.path)
    return undefined
  })
  expect(paths[0]).toBe('.no.prefetch.landmark')
  expect(paths.at(-1)).toBe('stargz.index.json')
  const { entries, json } = readToc(blob)
  expect(paths.slice(0, -1)).toEqual(entries.filter(({ type }) => type !== 'chunk').map(({ name }) => name))
  expect(annotations).toEqual({
    'containerd.io/snapshot/stargz/toc.digest': sha256(json),
    'io.containers.estargz.uncompressed-size': String(whole.length),
  })
  // All of the tar but its end is in it as it was.
  expect(whole.indexOf(TAR.subarray(0, -1024))).toBe(1024)
})

test('each file, and each 4 MiB of a large one, can be read by itself', async () => {
  const { blob } = await make(2)
  const { entries } = readToc(blob)
  const contents = new Map([
    ['d/small', Buffer.from('some text\n')],
    ['large', LARGE],
    [`d/${'long'.repeat(60)}`, Buffer.alloc(4 * MIB, 'x')],
    ['capable', Buffer.from('x')],
  ])
  const read = new Map<string, Buffer[]>()
  for (const entry of entries) {
    const content = contents.get(entry.name)
    if (content === undefined) continue
    const from = entry.chunkOffset ?? 0
    const size = entry.chunkSize ?? content.length - from
    const chunk = member(blob, entry.offset, size)
    expect(sha256(chunk)).toBe(entry.chunkDigest)
    expect(chunk.equals(content.subarray(from, from + size))).toBe(true)
    read.set(entry.name, [...(read.get(entry.name) ?? []), chunk])
    if (entry.type === 'reg') expect(entry).toMatchObject({ size: content.length, digest: sha256(content) })
  }
  expect(read.get('large')?.map(({ length }) => length)).toEqual([4 * MIB, 4 * MIB, 2 * MIB + 8])
  expect([...read.keys()].sort()).toEqual([...contents.keys()].sort())
})

test('the table says of each entry what the tar does', async () => {
  const { entries } = readToc((await make(0)).blob)
  const of = (name: string) => entries.find((entry) => entry.name === name)
  const modtime = '2023-11-14T22:13:20Z'
  expect(of('d/')).toEqual({ name: 'd/', type: 'dir', modtime, mode: 0o1755 })
  expect(of('d/small')).toMatchObject({ uid: 5, gid: 6, mode: 0o644, modtime })
  expect(of('d/empty')).toEqual({ name: 'd/empty', type: 'reg', modtime, mode: 0o644 })
  expect(of('d/soft')).toMatchObject({ type: 'symlink', linkName: '../x' })
  expect(of('d/hard')).toMatchObject({ type: 'hardlink', linkName: 'd/small' })
  expect(of('capable')).toMatchObject({ xattrs: { 'security.capability': 'AQI=' } })
  expect(of('null')).toMatchObject({ type: 'char', devMajor: 1, devMinor: 3 })
})

test('the bytes depend on the level, and not on the number of workers', async () => {
  const [none, two, fast] = [await make(0), await make(2), await make(2, 1)]
  expect(none.blob.equals(two.blob)).toBe(true)
  expect(fast.diffId).not.toBe(undefined)
  expect(fast.blob.equals(two.blob)).toBe(false)
})

test('an archive that is cut off is an error, and ends the blob', async () => {
  await using codec = createCodec({ workers: 0 })
  const { chunks } = createEstargz(inPieces(TAR.subarray(0, 6 * MIB)), { codec })
  await expect(async () => {
    for await (const _chunk of chunks);
  }).rejects.toThrow(/ends in the middle of "large"/)
})
