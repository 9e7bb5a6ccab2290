import { describe, expect, test } from 'vitest'
import type { Mount } from '../../../../src/graph/index.ts'
import { planText } from './fake-images.ts'

/** The only mount of a RUN. */
async function mountOf(flag: string): Promise<Mount> {
  const { plans } = await planText(
    `FROM debian AS other\nFROM debian\nWORKDIR /w\nARG V=v\nRUN --mount='${flag}' x`,
  )
  const op = plans[0]?.root.op
  if (op?.kind !== 'exec' || op.mounts[0] === undefined) throw new Error('there is no mount')
  return op.mounts[0]
}

/** What is said of each type where nothing else is. */
const PLAIN = {
  bind: { type: 'bind', target: '/t', input: 1, source: '/', readonly: true },
  cache: {
    type: 'cache',
    target: '/t',
    id: '/t',
    sharing: 'shared',
    readonly: false,
    source: '/',
    mode: 0o755,
    uid: 0,
    gid: 0,
  },
  tmpfs: { type: 'tmpfs', target: '/t' },
  secret: { type: 'secret', id: 't', target: '/t', required: false, mode: 0o400, uid: 0, gid: 0 },
  ssh: { type: 'ssh', id: 'default', target: '/t', required: false, mode: 0o600, uid: 0, gid: 0 },
} as const

type Type = keyof typeof PLAIN

const TYPES = Object.keys(PLAIN) as Type[]

interface Key {
  /** `key=value`, which every type takes or refuses. */
  readonly flag: string
  /** What it changes, by the types that take it. */
  readonly changes: Partial<Readonly<Record<Type, object>>>
  /** The error for the others. */
  readonly refused?: (type: Type) => string
}

const unexpected = (key: string) => (type: Type) => `unexpected key '${key}' for mount type '${type}'`
const notAllowed = (key: string) => (type: Type) => `${key} not allowed for "${type}" type mounts`
const same = { bind: {}, cache: {}, tmpfs: {}, secret: {}, ssh: {} }
const readonly = { ...same, cache: { readonly: true }, tmpfs: { readonly: true } }
const readwrite = { ...same, bind: { readonly: false } }
const source = { bind: { source: '/s' }, cache: { source: '/s' }, secret: { id: 's' } }

/** The whole table of keys. */
const KEYS: readonly Key[] = [
  ...['target', 'dst', 'destination', 'TARGET'].map((key): Key => ({ flag: `${key}=/t`, changes: same })),
  { flag: 'source=s', changes: source, refused: unexpected('source') },
  { flag: 'Src=s', changes: source, refused: unexpected('src') },
  {
    flag: 'from=other',
    changes: { bind: {}, cache: { input: 1 } },
    refused: (type) => `${type} mount should not have a from`,
  },
  ...['ro', 'readonly', 'RO=1', 'readonly=True', 'rw=f', 'readwrite=0'].map(
    (flag): Key => ({ flag, changes: readonly }),
  ),
  ...['rw', 'readwrite', 'rw=T', 'ro=FALSE', 'readonly=0'].map((flag): Key => ({ flag, changes: readwrite })),
  {
    flag: 'id=$V',
    changes: { cache: { id: 'v' }, secret: { id: 'v' }, ssh: { id: 'v' } },
    refused: unexpected('id'),
  },
  ...['shared', 'private', 'locked'].map(
    (sharing): Key => ({
      flag: `sharing=${sharing}`,
      changes: { cache: { sharing } },
      refused: (type) => `invalid cache sharing set for ${type} mount`,
    }),
  ),
  {
    flag: 'mode=0640',
    changes: { cache: { mode: 0o640 }, secret: { mode: 0o640 }, ssh: { mode: 0o640 } },
    refused: notAllowed('mode'),
  },
  {
    flag: 'uid=7',
    changes: { cache: { uid: 7 }, secret: { uid: 7 }, ssh: { uid: 7 } },
    refused: notAllowed('uid'),
  },
  {
    flag: 'gid=8',
    changes: { cache: { gid: 8 }, secret: { gid: 8 }, ssh: { gid: 8 } },
    refused: notAllowed('gid'),
  },
  { flag: 'size=10m', changes: { tmpfs: { size: 10 * 1024 ** 2 } }, refused: unexpected('size') },
  ...['required', 'required=1', 'REQUIRED=true'].map(
    (flag): Key => ({
      flag,
      changes: { secret: { required: true }, ssh: { required: true } },
      refused: unexpected('required'),
    }),
  ),
  { flag: 'env=E', changes: { secret: { env: 'E' } }, refused: unexpected('env') },
]

const CELLS = KEYS.flatMap((key) => TYPES.map((type) => [type, key.flag, key] as const))

describe('the table of --mount', () => {
  test.each(CELLS)('%s with %s', async (type, flag, { changes, refused }) => {
    const mount = mountOf(`type=${type},target=/t,${flag}`)
    const change = changes[type]
    if (change === undefined) await expect(mount).rejects.toThrow(refused?.(type) ?? 'no error is expected')
    else expect(await mount).toEqual({ ...PLAIN[type], ...change })
  })
})

test.each([
  ['target=/t', PLAIN.bind],
  ['type=CACHE,target=/t,sharing=LOCKED', { ...PLAIN.cache, sharing: 'locked' }],
  ['target=/other,target=/t', PLAIN.bind],
  ['type=tmpfs,type=bind,target=/t', PLAIN.bind],
  ['type=tmpfs', { ...PLAIN.tmpfs, target: '/w' }],
  ['target=t', { ...PLAIN.bind, target: '/w/t' }],
  ['type=cache,target=../t/', { ...PLAIN.cache, target: '/t', id: '../t' }],
  ['type=secret,id=a/b', { ...PLAIN.secret, id: 'a/b', target: '/run/secrets/b' }],
  ['type=secret,id=s,env=E', { ...PLAIN.secret, id: 's', env: 'E', target: undefined }],
  ['type=secret,target=/t,env=E', { ...PLAIN.secret, env: 'E' }],
  ['type=ssh', { ...PLAIN.ssh, target: '/run/buildkit/ssh_agent.0' }],
  ['"target=/a,b",ro', { ...PLAIN.bind, target: '/a,b' }],
  ['type=$TYPE,target=/$V', { ...PLAIN.bind, target: '/v' }, 'unsupported mount type ""'],
])('--mount=%s', async (flag, mount, error?: string) => {
  if (error === undefined) expect(await mountOf(flag)).toEqual(mount)
  else await expect(mountOf(flag)).rejects.toThrow(error)
})

test.each([
  ['1', 1],
  ['1b', 1],
  ['2k', 2 * 1024],
  ['2KB', 2 * 1024],
  ['2 KiB', 2 * 1024],
  ['1.5g', 1.5 * 1024 ** 3],
  ['1t', 1024 ** 4],
  ['1P', 1024 ** 5],
])('--mount=type=tmpfs,size=%s', async (size, bytes) => {
  expect(await mountOf(`type=tmpfs,target=/t,size=${size}`)).toEqual({ ...PLAIN.tmpfs, size: bytes })
})

test.each([
  ['type=bind,target=../../', 'invalid mount target "/"'],
  ['type=tmpfs,target=/t,size=big', 'invalid size: "big"'],
  ['type=cache,target=/t,sharing=lock', 'unsupported sharing value "lock" (did you mean locked?)'],
  ['type=cache,target=/t,mode=8', 'invalid value 8 for mode'],
  ['type=cache,target=/t,mode=10000', 'invalid value 10000 for mode'],
  ['type=cache,target=/t,uid=-1', 'invalid value -1 for uid'],
  ['type=cache,target=/t,gid=4294967296', 'invalid value 4294967296 for gid'],
  ['type=secret,id=s,required=yes', 'invalid value for required: yes'],
  ['type=secret,target=/', 'invalid secret mount. one of source, target required'],
  ['target=/t,source=$A,from=$A', "'from' doesn't support variable expansion"],
  ['target=/t,sorce=a', "unexpected key 'sorce' in 'sorce=a' (did you mean source?)"],
  ['target=/t,', "invalid field '' must be a key=value pair"],
  ['target="/t"', 'parse error: bare " in non-quoted field'],
])('--mount=%s is refused', async (flag, message) => {
  await expect(mountOf(flag)).rejects.toThrow(message)
})
