import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeTarHeader, isTarHeader, readTar, type TarHeader } from '../../../src/layer/index.ts'
import { tarHeader } from '../../support/tar-header.ts'

async function* once(bytes: Uint8Array) {
  yield bytes
}

async function decode(bytes: Uint8Array): Promise<TarHeader> {
  const found: TarHeader[] = []
  const read = readTar(once(bytes), (part) => {
    if (!(part instanceof Uint8Array)) found.push(part)
    return undefined
  })
  // The content that a header speaks of is not there.
  await read.catch(() => undefined)
  const [header] = found
  if (header === undefined) throw new Error('no entry')
  return header
}

/** The fields of a block as text, NULs shown as dots. */
function blockText(block: Buffer): string {
  const field = (from: number, to: number) =>
    block.toString('latin1', from, to).replaceAll('\0', '.').replace(/\.+$/, '.')
  return [
    `name ${field(0, 100)}`,
    `mode ${field(100, 108)} uid ${field(108, 116)} gid ${field(116, 124)}`,
    `size ${field(124, 136)} mtime ${field(136, 148)} sum ${field(148, 156)} flag ${field(156, 157)}`,
    `link ${field(157, 257)}`,
    `magic ${block.toString('latin1', 257, 265).replaceAll('\0', '.')} owner ${field(265, 329)}`,
    `devices ${block.toString('latin1', 329, 345).replaceAll('\0', '.')} prefix ${field(345, 500)}`,
  ].join('\n')
}

const name = fc
  .array(
    fc.string({
      unit: fc.oneof(fc.constantFrom('a', 'b', '-', '.x', ' ', 'ü', '漢', '😀'), fc.constant('n'.repeat(30))),
      minLength: 1,
      maxLength: 8,
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((parts) => parts.map((part) => (/^\.*$/.test(part) ? `x${part}` : part)).join('/'))

const entry: fc.Arbitrary<TarHeader> = fc
  .record({
    path: name,
    type: fc.constantFrom('file', 'hardlink', 'symlink', 'character', 'block', 'directory', 'fifo'),
    mode: fc.nat(0o7777),
    uid: fc.oneof(fc.nat(70_000), fc.constantFrom(2_097_151, 2_097_152, 4_294_967_294)),
    gid: fc.oneof(fc.nat(70_000), fc.constantFrom(2_097_151, 2_097_152, 4_294_967_294)),
    size: fc.oneof(fc.nat(), fc.constantFrom(0o77777777777, 0o100000000000, Number.MAX_SAFE_INTEGER)),
    mtimeNs: fc.oneof(
      fc.bigInt(0n, 4_000_000_000n * 1_000_000_000n),
      fc.constantFrom(-1n, -1_000_000_000n, 8_589_934_591_000_000_000n, 8_589_934_592_000_000_000n),
    ),
    linkTarget: name,
    devMajor: fc.nat(4095),
    devMinor: fc.nat(1_048_575),
    xattrs: fc.dictionary(
      fc.constantFrom('security.capability', 'user.a=b'),
      fc.uint8Array({ maxLength: 40 }),
    ),
  })
  .map(({ xattrs, ...fields }) => {
    const isFile = fields.type === 'file'
    const isLink = fields.type === 'hardlink' || fields.type === 'symlink'
    const isDevice = fields.type === 'character' || fields.type === 'block'
    return {
      ...fields,
      path: fields.type === 'directory' ? `${fields.path}/` : fields.path,
      size: isFile ? fields.size : 0,
      linkTarget: isLink ? fields.linkTarget : '',
      devMajor: isDevice ? fields.devMajor : 0,
      devMinor: isDevice ? fields.devMinor : 0,
      // Names with "=" can't be told from their values in a pax record.
      xattrs: new Map(Object.entries(xattrs).filter(([key]) => !key.includes('='))),
    }
  })

const wholeSeconds = (ns: bigint) => ns - (((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n)

describe('encodeTarHeader()', () => {
  test('writes what readTar() reads', async () => {
    await fc.assert(
      fc.asyncProperty(entry, async (header) => {
        const encoded = encodeTarHeader(header)
        expect(encoded.length % 512).toBe(0)
        const decoded = await decode(encoded)
        const plain = ({ xattrs, ...rest }: TarHeader) => ({
          ...rest,
          xattrs: [...xattrs].map(([key, value]) => [key, Buffer.from(value).toString('hex')]),
        })
        expect(plain(decoded)).toEqual({ ...plain(header), mtimeNs: wholeSeconds(header.mtimeNs) })
      }),
      { numRuns: 300 },
    )
  })

  test('writes one plain block where everything fits', () => {
    const header = tarHeader({
      path: 'etc/passwd',
      mode: 0o4755,
      uid: 1000,
      gid: 50,
      size: 1234,
      mtimeNs: 1_700_000_000_999_999_999n,
    })
    expect(blockText(encodeTarHeader(header))).toMatchInlineSnapshot(`
      "name etc/passwd.
      mode 0004755. uid 0001750. gid 0000062.
      size 00000002322. mtime 14524770400. sum 011301.  flag 0
      link .
      magic ustar.00 owner .
      devices 0000000.0000000. prefix ."
    `)
    expect(encodeTarHeader(header)).toHaveLength(512)
  })

  test('splits a long path at a slash, without a pax header', () => {
    const path = `${'d'.repeat(100)}/${'n'.repeat(99)}`
    const block = encodeTarHeader(tarHeader({ path }))
    expect(block).toHaveLength(512)
    expect(block.toString('latin1', 345, 445)).toBe('d'.repeat(100))
    expect(block.toString('latin1', 0, 99)).toBe('n'.repeat(99))
  })

  test.each<[string, Partial<TarHeader>, string[]]>([
    ['a name that no prefix can shorten', { path: 'n'.repeat(101) }, ['path']],
    ['a path that is not ASCII', { path: 'naïve' }, ['path']],
    ['a long link target', { type: 'symlink', linkTarget: 'l'.repeat(101) }, ['linkpath']],
    ['a link target that is not ASCII', { type: 'symlink', linkTarget: 'ü' }, ['linkpath']],
    ['a large owner', { uid: 2_097_152, gid: 2_097_152 }, ['gid', 'uid']],
    ['8 GiB', { size: 8 * 1024 ** 3 }, ['size']],
    ['a time before the epoch', { mtimeNs: -1n }, ['mtime']],
    [
      'a capability',
      { xattrs: new Map([['security.capability', Buffer.from([0, 61, 10])]]) },
      ['SCHILY.xattr.security.capability'],
    ],
    [
      'a capability of a file with a splittable path, which is then in the pax header too',
      {
        path: `${'d'.repeat(90)}/${'n'.repeat(90)}`,
        xattrs: new Map([['security.capability', Buffer.of(1)]]),
      },
      ['SCHILY.xattr.security.capability', 'path'],
    ],
  ])('puts a pax header in front of %s', (_what, fields, keys) => {
    const bytes = encodeTarHeader(tarHeader(fields))
    const size = Number.parseInt(bytes.toString('latin1', 124, 135), 8)
    const body = bytes.toString('latin1', 512, 512 + size)
    const found: string[] = []
    for (let at = 0; at < body.length; ) {
      const length = Number.parseInt(body.slice(at), 10)
      found.push(/^\d+ ([^=]+)=/.exec(body.slice(at, at + length))?.[1] ?? '')
      expect(body[at + length - 1]).toBe('\n')
      at += length
    }
    expect(bytes.toString('latin1', 156, 157)).toBe('x')
    expect(found).toEqual(keys)
    expect(isTarHeader(bytes.subarray(0, 512))).toBe(true)
    expect(isTarHeader(bytes.subarray(-512))).toBe(true)
  })

  test('writes pax headers as Go does', () => {
    const bytes = encodeTarHeader(
      tarHeader({ path: 'höme/dïr/', type: 'directory', mode: 0o755, uid: 7, mtimeNs: 5_000_000_000n }),
    )
    expect(blockText(bytes.subarray(0, 512))).toMatchInlineSnapshot(`
      "name hme/dr/PaxHeaders.0.
      mode 0000000. uid 0000000. gid 0000000.
      size 00000000024. mtime 00000000000. sum 011316.  flag x
      link .
      magic ustar.00 owner .
      devices ................ prefix ."
    `)
    expect(bytes.toString('utf8', 512, 1024).replaceAll('\0', '')).toMatchInlineSnapshot(`
      "20 path=höme/dïr/
      "
    `)
    expect(blockText(bytes.subarray(1024))).toMatchInlineSnapshot(`
      "name hme/dr/.
      mode 0000755. uid 0000007. gid 0000000.
      size 00000000000. mtime 00000000005. sum 010377.  flag 5
      link .
      magic ustar.00 owner .
      devices 0000000.0000000. prefix ."
    `)
  })

  test.each([
    ['etc/ü', 'etc/PaxHeaders.0/'],
    ['ü', 'PaxHeaders.0'],
    ['etc/ü/', 'etc//PaxHeaders.0'],
    ['etc/x-ü', 'etc/PaxHeaders.0/x-'],
    [`${'long/'.repeat(30)}ü`, 'long/'.repeat(20).replace(/\/$/, '')],
  ])('names the pax header of %j', (path, expected) => {
    const bytes = encodeTarHeader(tarHeader({ path }))
    expect(bytes.toString('latin1', 0, 100).replace(/\0+$/, '')).toBe(expected.replace(/\/$/, ''))
  })

  test('cuts a name behind a pax header so that it does not end with a slash', () => {
    const path = `${'d'.repeat(99)}/ü${'n'.repeat(10)}`
    expect(encodeTarHeader(tarHeader({ path })).subarray(-512).toString('latin1', 0, 100)).toBe(
      `${'d'.repeat(99)}\0`,
    )
  })
})
