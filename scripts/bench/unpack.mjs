// Unpacks a base image: ossb against GNU tar and umoci, as root, interleaved, each into fresh directories:
//   node scripts/bench/unpack.mjs [--rounds N] [--debian TAR] [--many TAR] [--json FILE]
//     needs dist/ (npm run build:ts), umoci, tar and gzip; mmdebstrap where no TAR of a Debian is given
// debian  mmdebstrap's minbase, about 9,500 files
// many    150,000 files of 100 to 2,000 bytes in 300 directories
// Both lie gzipped in an OCI layout: tar reads the layer's blob, the others the layout. ossb checks the digests of the
// blob and of its content, as umoci does, and makes what a build makes of a base. All write to one file system, below
// TMPDIR, where nothing is deleted before the end: give it one of its own, with 20 GB free, for ext4 is slow for
// minutes after a large removal. What a program takes to start counts for none: from each time the median of the same
// command on an image without files is taken away. Memory is that of the largest process.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measure, median } from './measure.mjs'

const program = fileURLToPath(import.meta.url)
const makeLayout = new URL('../make-base-layout.mjs', import.meta.url).pathname
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    debian: { type: 'string' },
    many: { type: 'string' },
    json: { type: 'string' },
    layout: { type: 'string' },
    cache: { type: 'string' },
  },
})

/** What this program does when it is started to be measured: a base unpacked as a build unpacks it, and nothing else. */
async function unpackWithOssb(layout, cache) {
  const [{ createCodec }, { createOverlaySnapshotter }, { createOciLayout, openWorkspace, storePaths }, native] = await Promise.all(
    ['codec', 'snapshot', 'store', 'native'].map((name) => import(new URL(`../../dist/${name}/index.js`, import.meta.url))),
  )
  const job = { signal: new AbortController().signal, emit: () => {} }
  const store = createOciLayout(layout)
  const layers = layersOf(layout).map((layer) => ({ ...layer, open: () => store.open(layer.descriptor, job) }))
  const helper = native.loadHelper()
  const session = native.openFileSession(helper)
  const codec = createCodec()
  const workspace = await openWorkspace(storePaths(cache), session, job)
  await createOverlaySnapshotter({ paths: storePaths(cache), workspace, helper, session, codec }).view(layers, job)
  for (const used of [workspace, codec, session]) await used[Symbol.asyncDispose]()
}

function layersOf(layout) {
  const read = (digest) => JSON.parse(readFileSync(join(layout, 'blobs', digest.replace(':', '/')), 'utf8'))
  const manifest = read(JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests[0].digest)
  const { rootfs } = read(manifest.config.digest)
  return manifest.layers.map((descriptor, i) => ({ descriptor, diffId: rootfs.diff_ids[i] }))
}

/** Those that take longest run in every second round only. */
const TOOLS = {
  ossb: { every: 1, command: (layout, to) => ['node', program, '--layout', layout, '--cache', to] },
  tar: { every: 1, command: (layout, to) => ['tar', '-xzpf', blobOf(layout), '-C', to] },
  'umoci raw': {
    every: 2,
    command: (layout, to) => ['umoci', 'raw', 'unpack', '--image', `${layout}:base`, join(to, 'rootfs')],
  },
  umoci: { every: 2, command: (layout, to) => ['umoci', 'unpack', '--image', `${layout}:base`, join(to, 'bundle')] },
}

function blobOf(layout) {
  return join(layout, 'blobs', layersOf(layout)[0].descriptor.digest.replace(':', '/'))
}

function makeManyTar(directory) {
  const content = Buffer.from(readFileSync(process.execPath).subarray(0, 64 * 1024 * 1024).toString('base64'))
  const tree = join(directory, 'tree')
  for (let at = 0; at < 300; at += 1) {
    mkdirSync(join(tree, 'many', `d${at}`), { recursive: true })
    for (let file = at * 500; file < at * 500 + 500; file += 1) {
      const offset = (file * 541) % (content.length - 2000)
      writeFileSync(join(tree, 'many', `d${at}`, `f${file}`), content.subarray(offset, offset + 100 + ((file * 7919) % 1901)))
    }
  }
  return tarOf(tree, join(directory, 'many.tar'))
}

function tarOf(tree, tar) {
  execFileSync('tar', ['--sort=name', '--owner=0', '--group=0', '--mtime=@1767225600', '-C', tree, '-cf', tar, '.'])
  return tar
}

function makeDebianTar(directory) {
  const tar = join(directory, 'debian.tar')
  const suite = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync('/etc/os-release', 'utf8'))[1]
  execFileSync('mmdebstrap', ['--quiet', '--variant=minbase', '--format=tar', suite, tar])
  return tar
}

function makeLayouts(directory) {
  const empty = join(directory, 'empty')
  mkdirSync(empty)
  const tars = {
    none: tarOf(empty, join(directory, 'none.tar')),
    debian: options.debian ?? makeDebianTar(directory),
    many: options.many ?? makeManyTar(directory),
  }
  for (const [name, tar] of Object.entries(tars))
    execFileSync('node', [makeLayout, join(directory, name), '--rootfs-tar', tar], { env: { ...process.env, TMPDIR: directory } })
}

/** Each tool once, in an order that turns with the rounds. What one wrote is on the disk before the next begins. */
function runRound(directory, base, round) {
  const names = Object.keys(TOOLS).filter((name) => round % TOOLS[name].every === 0)
  const first = round % names.length
  const results = [...names.slice(first), ...names.slice(0, first)].map((name) => {
    const to = join(directory, `${base}-${round}-${name.replace(' ', '-')}`)
    mkdirSync(to)
    execFileSync('sync')
    return [name, measure(TOOLS[name].command(join(directory, base), to))]
  })
  return Object.fromEntries(results)
}

function summarize(rounds, start) {
  const of = (name, what) => median(rounds.flatMap((round) => round[name]?.[what] ?? []))
  const beyondStart = (name, what) => of(name, what) - (start?.[name][what] ?? 0)
  return Object.fromEntries(
    Object.keys(TOOLS).map((name) => [
      name,
      { wall: beyondStart(name, 'wall'), cpu: beyondStart(name, 'cpu'), rss: of(name, 'rss') },
    ]),
  )
}

function print(base, results) {
  for (const [name, { wall, cpu, rss }] of Object.entries(results)) {
    const ratio = (what) => (name === 'ossb' ? '' : (results.ossb[what] / results[name][what]).toFixed(2))
    console.log(`| ${base} | ${name} | ${wall.toFixed(2)} s | ${ratio('wall')} | ${cpu.toFixed(2)} s | ${ratio('cpu')} | ${rss.toFixed(0)} MiB |`)
  }
}

function compare() {
  const directory = mkdtempSync(join(tmpdir(), 'ossb-bench-unpack-'))
  const rounds = Array.from({ length: Number(options.rounds) }, (_, at) => at)
  try {
    makeLayouts(directory)
    const measured = (base) => rounds.map((round) => runRound(directory, base, round))
    const start = summarize(measured('none'))
    const results = { debian: summarize(measured('debian'), start), many: summarize(measured('many'), start) }
    const machine = `${cpus()[0]?.model}, ${cpus().length} processors, Node ${process.version}`
    console.log(`${machine}; medians of ${rounds.length} rounds, of umoci's in every second\n`)
    console.log('| base | tool | wall | ossb / it | processor | ossb / it | memory |\n|---|---|---|---|---|---|---|')
    for (const [base, tools] of Object.entries(results)) print(base, tools)
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ machine, rounds: rounds.length, start, results }, undefined, 2)}\n`)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

if (options.layout === undefined) compare()
else await unpackWithOssb(options.layout, options.cache)
