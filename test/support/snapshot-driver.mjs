/**
 * Runs random changes to root file systems in both snapshotters above the same base, and prints as JSON what each tells
 * of them. Runs from dist/, in a mount namespace of its own: node snapshot-driver.mjs DIRECTORY SEED STEPS OPERATIONS
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { createServer } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { createCodec } from '../../dist/codec/index.js'
import { removeTree } from '../../dist/fs/index.js'
import { createLayer } from '../../dist/layer/index.js'
import { loadHelper, openFileSession, walkTree } from '../../dist/native/index.js'
import { createCopySnapshotter, createOverlaySnapshotter } from '../../dist/snapshot/index.js'
import { createOciLayout, openWorkspace, storePaths } from '../../dist/store/index.js'

const [directory, seed, steps, operations] = process.argv.slice(2)
/** Later than every time in the base, earlier than now: what is made now gets this time in a layer. */
const CLAMP_NS = 1_500_000_000_000_000_000n
const JOB = { signal: new AbortController().signal, emit: () => {} }
const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex')

function randomNumbers(start) {
  let state = start >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

async function collect(root, helper) {
  const all = []
  for await (const entries of walkTree(helper, root, JOB)) all.push(...entries)
  return all
}

function clamp(ns) {
  return ns > CLAMP_NS ? CLAMP_NS : ns
}

/** A tree as lines: all that a layer can carry, hard links as groups. */
async function describeTree(root, helper) {
  const entries = await collect(root, helper)
  const groups = new Map()
  for (const entry of entries) {
    if (entry.type === 'directory' || entry.nlink < 2) continue
    const inode = `${entry.dev}:${entry.ino}`
    groups.set(inode, [...(groups.get(inode) ?? []), entry.path])
  }
  return entries
    .filter((entry) => entry.type !== 'socket' && entry.path !== '')
    .map((entry) => {
      const seconds = clamp(entry.mtimeNs) / 1_000_000_000n
      const content =
        entry.type === 'file'
          ? createHash('md5').update(fs.readFileSync(join(root, entry.path))).digest('hex')
          : (entry.linkTarget ?? '')
      const capability = Buffer.from(entry.capability ?? []).toString('hex')
      const { path, type, mode, uid, gid, rdevMajor, rdevMinor } = entry
      const line = [path, type, mode.toString(8), uid, gid, seconds, rdevMajor, rdevMinor, content, capability]
      return { line: line.join(' '), links: groups.get(`${entry.dev}:${entry.ino}`) ?? [] }
    })
}

function describeChange(change) {
  if (change.type === 'delete') return `delete ${change.path}`
  const { path, type, mode, uid, gid, size, mtimeNs, linkTarget, rdevMajor, rdevMinor, capability } = change.entry
  const bytes = type === 'file' ? size : 0
  const more = [linkTarget ?? '', rdevMajor, rdevMinor, Buffer.from(capability ?? []).toString('hex')]
  return ['upsert', path, type, mode.toString(8), uid, gid, bytes, clamp(mtimeNs), ...more].join(' ')
}

/** Chooses the next operation for a tree as it is; only what both snapshotters can tell apart from nothing. */
function chooseOperation(entries, random) {
  const pick = (list) => list[random(list.length)]
  const directories = entries.filter(({ type }) => type === 'directory')
  const others = entries.filter(({ path }) => path !== '')
  // Writing to one name of a file that a lower layer has under two breaks the link in an overlay, and only there.
  const files = entries.filter(({ type, nlink }) => type === 'file' && nlink === 1)
  // The same goes for new names of such a file: an overlay does not know that they belong together.
  const single = others.filter(({ type, nlink }) => type !== 'directory' && nlink === 1)
  const changeable = others
    .filter(({ type, nlink }) => type === 'directory' || nlink === 1)
    .map(({ path, type }) => ({ path, kind: type }))
  const linked = others.filter(({ type, nlink }) => type !== 'directory' && nlink > 1)
  const movable = others.filter(({ path }) => !linked.some((file) => `${file.path}/`.startsWith(`${path}/`)))
  const names = ['a', 'b', 'c', 'new file', 'ü', '.hidden', 'x'.repeat(120)]
  const fresh = () => join(pick(directories).path, pick(names))
  const kinds = [
    () => ({ type: 'write', path: fresh(), text: `text ${random(1000)}\n`, mode: pick([0o644, 0o600, 0o4755]) }),
    () => files.length > 0 && { type: 'rewrite', path: pick(files).path },
    () => files.length > 0 && { type: 'rewriteSame', path: pick(files).path },
    () => files.length > 0 && { type: 'append', path: pick(files).path },
    () => files.length > 0 && { type: 'open', path: pick(files).path },
    () => files.length > 0 && { type: 'truncate', path: pick(files).path },
    () => files.length > 0 && { type: 'capability', path: pick(files).path },
    () => files.length > 0 && { type: 'noCapability', path: pick(files).path },
    () => changeable.length > 0 && { type: 'chmod', ...pick(changeable), mode: pick([0o700, 0o2755, 0o1777, 0o000]) },
    () => changeable.length > 0 && { type: 'chown', ...pick(changeable), uid: pick([0, 7, 60_000]), gid: pick([0, 8]) },
    () => changeable.length > 0 && { type: 'sameOwner', ...pick(changeable) },
    () => changeable.length > 0 && { type: 'touch', ...pick(changeable), seconds: 900_000_000 + random(1000) },
    () => others.length > 0 && { type: 'remove', path: pick(others).path },
    () => others.length > 0 && { type: 'recreate', path: pick(others).path, as: pick(['directory', 'file', 'symlink', 'full']) },
    () => ({ type: 'recreate', path: fresh(), as: pick(['directory', 'file', 'symlink', 'full']) }),
    () => movable.length > 0 && { type: 'move', path: pick(movable).path, to: fresh() },
    () => single.length > 0 && { type: 'link', path: pick(single).path, to: fresh() },
    () => ({ type: 'fifo', path: fresh() }),
    () => ({ type: 'device', path: fresh() }),
  ]
  return pick(kinds)() || undefined
}

/** A change to a file's content that leaves its modification time as it was. */
async function inPlace(path, batch, change) {
  const { mtimeNs } = fs.lstatSync(path, { bigint: true })
  change()
  await batch([{ type: 'settimes', path, mtimeNs }])
}

function exists(path) {
  return fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/** The modes of the directories of a tree, by their paths below it. */
function directoryModes(path) {
  if (!fs.lstatSync(path).isDirectory()) return []
  const below = fs.readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isDirectory())
  const all = [path, ...below.map(({ parentPath, name }) => `${parentPath}/${name}`)]
  return all.map((directory) => [directory.slice(path.length), fs.lstatSync(directory).mode & 0o7777])
}

/** A user namespace may make fifos only. */
async function makeNode(path, fileType, batch) {
  const node = { fileType, mode: 0o640, major: 1, minor: 3 }
  if (!exists(path)) await batch([{ type: 'mknod', path, ...node, optional: true }])
}

const RECREATE = {
  directory: (path) => fs.mkdirSync(path),
  file: (path) => fs.writeFileSync(path, 'instead\n'),
  symlink: (path) => fs.symlinkSync('../some/where', path),
  full: (path) => {
    fs.mkdirSync(path)
    for (const name of ['a', 'file1', 'z']) fs.writeFileSync(join(path, name), name)
  },
}

/** One that can't be done, because a name is taken, leaves the tree as it was. */
const OPERATIONS = {
  write: ({ path, text, mode }) => {
    if (exists(path)) return
    fs.writeFileSync(path, text)
    fs.chmodSync(path, mode)
  },
  rewrite: ({ path }, batch) =>
    inPlace(path, batch, () => {
      const text = fs.readFileSync(path)
      if (text.length > 0) text[0] ^= 1
      fs.writeFileSync(path, text, { flag: 'r+' })
    }),
  rewriteSame: ({ path }, batch) =>
    inPlace(path, batch, () => fs.writeFileSync(path, fs.readFileSync(path), { flag: 'r+' })),
  append: ({ path }) => fs.appendFileSync(path, 'more\n'),
  open: ({ path }) => fs.closeSync(fs.openSync(path, 'r+')),
  truncate: ({ path }) => fs.truncateSync(path, 0),
  capability: ({ path }, batch) =>
    batch([{ type: 'setxattr', path, name: 'security.capability', value: CAPABILITY }]),
  noCapability: ({ path }, batch) =>
    batch([{ type: 'removexattr', path, name: 'security.capability', optional: true }]),
  chmod: ({ path, mode, kind }) => {
    if (kind !== 'symlink') fs.chmodSync(path, mode)
  },
  chown: ({ path, uid, gid }) => fs.lchownSync(path, uid, gid),
  sameOwner: ({ path }) => {
    const { uid, gid } = fs.lstatSync(path)
    fs.lchownSync(path, uid, gid)
  },
  touch: ({ path, seconds }) => fs.lutimesSync(path, seconds, seconds),
  remove: ({ path }) => removeTree(path),
  recreate: ({ path, as }) => {
    removeTree(path)
    RECREATE[as](path)
  },
  move: ({ path, to }) => {
    if (exists(to) || `${to}/`.startsWith(`${path}/`)) return
    const modes = directoryModes(path)
    execFileSync('mv', ['-T', '--', path, to])
    // Where overlayfs has `mv` copy a directory, the copy has the set-group-id bit of the directory that it comes into.
    for (const [directory, mode] of modes) fs.chmodSync(`${to}${directory}`, mode)
  },
  link: ({ path, to }) => {
    if (!exists(to)) fs.linkSync(path, to)
  },
  socket: async ({ path }) => {
    removeTree(path)
    // The path of a socket may only be short; who closes it removes it.
    process.chdir(dirname(path))
    const server = createServer().unref()
    await new Promise((resolve) => server.listen(basename(path), resolve))
    process.chdir('/')
  },
  fifo: ({ path }, batch) => makeNode(path, 'fifo', batch),
  device: ({ path }, batch) => makeNode(path, 'character', batch),
}

async function perform(root, { type, path, to, ...more }, session) {
  const at = { path: join(root, path), to: to === undefined ? undefined : join(root, to) }
  await OPERATIONS[type]({ ...at, ...more }, (operations) => session.batch(operations, JOB))
}

async function makeBase(root, session) {
  fs.mkdirSync(root)
  const script = `
    mkdir -p dir/sub/deep empty other/sub .wheel "with space"
    for d in dir dir/sub dir/sub/deep other other/sub; do
      for i in 1 2 3; do echo "$d $i" > $d/file$i; done
      ln -s file1 $d/link
    done
    echo linked > other/hard1; ln other/hard1 other/hard2; ln other/hard1 dir/hard3
    mkfifo other/pipe; mknod other/null c 1 3 || true
    chown 1000:1000 dir/file2; chmod 4755 dir/file3; chmod 0 other/file1; chmod 1777 other
    : > naïve; printf x > dir.txt`
  execFileSync('sh', ['-euc', script], { cwd: root })
  const value = CAPABILITY
  await session.batch([{ type: 'setxattr', path: join(root, 'dir/file1'), name: 'security.capability', value }], JOB)
  execFileSync('find', [root, '-exec', 'touch', '-h', '-d', '2001-02-03 04:05:06.123456789', '{}', '+'])
}

async function main() {
  const helper = loadHelper()
  const session = openFileSession(helper)
  const codec = createCodec()
  const paths = storePaths(join(directory, 'cache'))
  const store = createOciLayout(paths.root)
  const workspace = await openWorkspace(paths, session, JOB)
  const context = { paths, workspace, helper, session, codec }
  const layerOptions = { store, codec, compression: { type: 'uncompressed' }, clampTo: CLAMP_NS }

  const source = join(directory, 'base')
  await makeBase(source, session)
  async function* everything() {
    for (const entry of await collect(source, helper)) yield { type: 'upsert', entry }
  }
  const { created: _, ...base } = await createLayer(everything(), source, '', layerOptions, JOB)

  const random = randomNumbers(Number(seed))
  const snapshotters = [createCopySnapshotter(context), createOverlaySnapshotter(context)]
  const stacks = snapshotters.map(() => [base])
  const results = []
  for (let step = 0; step < Number(steps); step += 1) {
    const performed = []
    const told = {}
    for (const [i, snapshotter] of snapshotters.entries()) {
      const root = await snapshotter.prepare(stacks[i], JOB)
      if (i === 0) {
        while (performed.length < Number(operations)) {
          const operation = chooseOperation(await collect(root.rootfs, helper), random)
          if (operation === undefined) continue
          performed.push(operation)
          await perform(root.rootfs, operation, session)
        }
        // Last of all: what is a socket for one snapshotter's next step is nothing for the other's.
        if (step === Number(steps) - 1) {
          const entries = (await collect(root.rootfs, helper)).filter(({ path }) => path !== '')
          const { path } = entries[random(entries.length)]
          if (basename(path).length < 100) {
            performed.push({ type: 'socket', path })
            await perform(root.rootfs, performed.at(-1), session)
          }
        }
      } else for (const operation of performed) await perform(root.rootfs, operation, session)
      const changes = []
      for await (const change of root.changes(JOB)) changes.push(describeChange(change))
      const tree = await describeTree(root.rootfs, helper)
      const layer = await createLayer(root.changes(JOB), root.rootfs, 'now', layerOptions, JOB)
      await root.commit(layer, JOB)
      await root[Symbol.asyncDispose]()
      const kept = await snapshotter.view([...stacks[i], layer], JOB)
      const keptTree = await describeTree(kept.rootfs, helper)
      await kept[Symbol.asyncDispose]()
      // A snapshotter that has not seen the working root makes the state from the layer.
      const unpacked = await createCopySnapshotter(context).view([...stacks[i], layer], JOB)
      const unpackedTree = await describeTree(unpacked.rootfs, helper)
      told[snapshotter.name] = { changes, diffId: layer.diffId, tree, keptTree, unpackedTree }
      stacks[i] = [...stacks[i], layer]
    }
    results.push({ performed, told })
  }
  await workspace[Symbol.asyncDispose]()
  await codec[Symbol.asyncDispose]()
  await session[Symbol.asyncDispose]()
  process.stdout.write(JSON.stringify(results, (_key, value) => (typeof value === 'bigint' ? String(value) : value)))
}

await main()
