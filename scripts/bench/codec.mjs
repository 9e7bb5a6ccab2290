// The codec against node:zlib, node:crypto, pigz, gzip and zstd, all in turn in one run, on a tar of parts of /usr:
//   node scripts/bench/codec.mjs [ROUNDS] [--json FILE]     needs dist/ and wasm/build/ (npm run build), skopeo, pigz, zstd
// Prints medians and ratios as Markdown, and what of the targets is reached; ends with status 1 where one is not, or where
// the number of workers changes a digest. About 3 minutes for 5 rounds on 2 processors that have nothing else to do.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { constants, createGzip, deflateRaw, gzipSync } from 'node:zlib'
import { createCodec, createFingerprinter } from '../../dist/codec/index.js'
import { measure, median } from './measure.mjs'

const jsonAt = process.argv.indexOf('--json')
const jsonFile = jsonAt < 0 ? undefined : process.argv[jsonAt + 1]
const ROUNDS = Number(process.argv.slice(2, jsonAt < 0 ? undefined : jsonAt)[0] ?? 5)
const BLOCK = 1024 * 1024
const DICTIONARY = 32 * 1024
const CHUNK = 256 * 1024
const SMALL_FILE = 16 * 1024
/** Of each kind of files: what the tar is made of, in millions of bytes, and how much of it the slowest peers get. */
const PARTS = [
  { name: 'programs', size: 28e6, folders: ['/usr/bin'] },
  { name: 'libraries', size: 28e6, folders: ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu'] },
  { name: 'texts', size: 28e6, folders: ['/usr/lib/python3.11', '/usr/lib/python3', '/usr/share/perl', '/usr/share/locale'] },
  { name: 'documents', size: 12e6, folders: ['/usr/share/doc', '/usr/share/man'] },
]
const LESS = 0.25

const directory = mkdtempSync(join(tmpdir(), 'ossb-bench-codec-'))
const parts = PARTS.map(({ size, folders }) => tarOf(folders, size))
const data = Buffer.concat(parts)
const less = Buffer.concat(parts.map((part) => part.subarray(0, part.length * LESS)))
const layer = join(directory, 'layer.tar')
writeFileSync(layer, data)
const tables = []
const targets = []

function tarOf(folders, size) {
  const script = `tar -cf - --sort=name "$@" 2>/dev/null | head -c ${size}`
  return execFileSync('sh', ['-c', script, 'sh', ...folders], { maxBuffer: 2 * size })
}

async function* chunksOf(bytes, size = CHUNK) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function sizeOf(stream) {
  let size = 0
  for await (const bytes of stream) size += bytes.length
  return size
}

/** What a layer goes through: SHA-256 of the input, compression, SHA-256 of the output. */
async function pipeline(compress) {
  const diffId = createHash('sha256')
  const digest = createHash('sha256')
  let size = 0
  async function* hashed() {
    for await (const chunk of chunksOf(data)) {
      diffId.update(chunk)
      yield chunk
    }
  }
  for await (const bytes of compress(hashed())) {
    digest.update(bytes)
    size += bytes.length
  }
  return { size, digest: digest.digest('hex') }
}

/** The blocks of the codec, by node:zlib in libuv's threads. */
async function* zlibBlocks(source, level, inFlight) {
  const deflate = promisify(deflateRaw)
  const queue = []
  let before
  let block = Buffer.alloc(BLOCK)
  let used = 0
  const submit = (finishFlush) => {
    const input = block.subarray(0, used)
    queue.push(deflate(input, { level, finishFlush, ...(before === undefined ? {} : { dictionary: before }) }))
    before = input.subarray(-DICTIONARY)
    block = Buffer.alloc(BLOCK)
    used = 0
  }
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const count = chunk.copy(block, used, at)
      used += count
      at += count
      if (used < BLOCK) continue
      submit(constants.Z_SYNC_FLUSH)
      if (queue.length >= inFlight) yield await queue.shift()
    }
  }
  submit(constants.Z_FINISH)
  for (const rest of queue) yield await rest
}

async function* zlibStream(source, level) {
  yield* Readable.from(source).pipe(createGzip({ level }))
}

async function withCodec(workers, use) {
  const codec = createCodec({ workers })
  try {
    return await use(codec)
  } finally {
    await codec[Symbol.asyncDispose]()
  }
}

/** A way that runs here: wall and processor time in milliseconds (of all threads), and the size it gives. */
async function timedHere(run) {
  const [cpu, wall] = [process.cpuUsage(), performance.now()]
  const result = await run()
  const { user, system } = process.cpuUsage(cpu)
  return { wall: performance.now() - wall, cpu: (user + system) / 1000, size: result?.size ?? result }
}

/** A tool that reads the tar and writes to nowhere, without any SHA-256. */
function tool(name, ...command) {
  const size = Number(execFileSync('sh', ['-c', `${command.join(' ')} ${layer} | wc -c`], { encoding: 'utf8' }))
  const run = () => {
    const { wall, cpu } = measure([...command, layer])
    return { wall: wall * 1000, cpu: cpu * 1000, size }
  }
  return { name, time: run }
}

/**
 * Go's parallel gzip (klauspost/pgzip, at its default), as skopeo has it, which hashes before and after as we do. What it takes
 * for an empty layer is taken away.
 */
function pgzip(name) {
  const [full, empty] = [layer, '/dev/null'].map((file, at) => makePlainLayout(file, join(directory, `plain-${at}`)))
  const out = join(directory, 'compressed')
  const copy = (layout) => measure(['skopeo', 'copy', '--quiet', '--dest-compress', '--dest-compress-format', 'gzip', `oci:${layout}`, `dir:${out}`])
  const run = () => {
    const start = copy(empty)
    const { wall, cpu } = copy(full)
    const { layers } = JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8'))
    return { wall: (wall - start.wall) * 1000, cpu: (cpu - start.cpu) * 1000, size: layers[0].size }
  }
  return { name, time: run }
}

/** An image layout with one layer, not compressed. */
function makePlainLayout(file, layout) {
  const put = (bytes, mediaType) => {
    const digest = createHash('sha256').update(bytes).digest('hex')
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true })
    writeFileSync(join(layout, 'blobs/sha256', digest), bytes)
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length }
  }
  const type = (name) => `application/vnd.oci.image.${name}`
  const document = (value, name) => put(Buffer.from(JSON.stringify(value)), type(name))
  const content = put(readFileSync(file), type('layer.v1.tar'))
  const rootfs = { type: 'layers', diff_ids: [content.digest] }
  const config = document({ architecture: 'amd64', os: 'linux', rootfs }, 'config.v1+json')
  const manifest = document({ schemaVersion: 2, mediaType: type('manifest.v1+json'), config, layers: [content] }, 'manifest.v1+json')
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }))
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  return layout
}

const here = (name, run) => ({ name, time: () => timedHere(run) })

/** Runs all ways in turn, ROUNDS times, and prints a table whose ratios are to the first; gives the medians by name. */
async function compare(title, bytes, ways) {
  const times = ways.map(() => [])
  for (let round = 0; round < ROUNDS; round += 1)
    for (const [index, { time }] of ways.entries()) times[index].push(await time())
  const rows = ways.map(({ name }, index) => {
    const of = (what) => median(times[index].map((one) => one[what]))
    return { name, wall: of('wall'), cpu: of('cpu'), size: times[index][0].size }
  })
  const [first] = rows
  console.log(`\n${title}\n\n| | wall, s | MB/s | x first | processor, s | MB/s | x first | size, % | against first |\n|---|---|---|---|---|---|---|---|---|`)
  for (const { name, wall, cpu, size } of rows) {
    const times = [wall, cpu].flatMap((time, i) => [
      (time / 1000).toFixed(2), (bytes / 1000 / time).toFixed(0), ((i === 0 ? first.wall : first.cpu) / time).toFixed(2),
    ])
    const sizes = size === undefined ? ['', ''] : [((100 * size) / bytes).toFixed(2), `${signed(100 * (size / first.size - 1))} %`]
    console.log(`| ${[name, ...times, ...sizes].join(' | ')} |`)
  }
  tables.push({ title, bytes, rows })
  return Object.fromEntries(rows.map((row) => [row.name, row]))
}

const signed = (value) => `${value < 0 ? '' : '+'}${value.toFixed(2)}`

/** `larger`: how much larger than the other's the output may be, in percent. */
function target(name, must, ours, other, clock, larger) {
  const speed = other[clock] / ours[clock]
  const size = larger === undefined ? undefined : 100 * (ours.size / other.size - 1)
  targets.push({ name, must, speed, ...(larger === undefined ? {} : { larger, size }), isMet: speed >= must && (size ?? 0) <= (larger ?? 0) })
}

async function benchOneThread() {
  const codec = createCodec({ workers: 0 })
  const ours = (level, bytes) => () => sizeOf(codec.compress(chunksOf(bytes), { type: 'gzip', level }))
  const zlib = (level, bytes) => () => gzipSync(bytes, { level }).length
  // One thread of the process has compiled the module by then, as in any build with more than one layer.
  await ours(6, less)()
  for (const [index, { name }] of PARTS.entries()) {
    const part = parts[index]
    const rows = await compare(`One thread, ${name}`, part.length, [here('zlib 6', zlib(6, part)), here('level 6', ours(6, part))])
    if (name === 'documents') continue
    target(`one thread, ${name}, against zlib 6`, 1.8, rows['level 6'], rows['zlib 6'], 'cpu', 0.5)
  }
  const rows = await compare('One thread, levels', less.length, [
    here('zlib 6', zlib(6, less)),
    ...[1, 3, 6, 7, 8, 9].map((level) => here(`level ${level}`, ours(level, less))),
    here('zlib 1', zlib(1, less)),
    here('zlib 9', zlib(9, less)),
  ])
  target('one thread, against zlib 6', 1.8, rows['level 6'], rows['zlib 6'], 'cpu', 0.5)
  target('best level, against zlib 9', 4, rows['level 9'], rows['zlib 9'], 'cpu', 0)
}

async function benchLayer() {
  const pools = new Map([1, 2].map((workers) => [workers, createCodec({ workers })]))
  const ours = (workers, level, type = 'gzip') =>
    () => pipeline((source) => pools.get(workers).compress(source, level === undefined ? { type } : { type, level }))
  const fresh = () => withCodec(2, (codec) => pipeline((source) => codec.compress(source, { type: 'gzip' })))
  const rows = await compare('A layer: SHA-256, compression, SHA-256 (the tools: compression alone)', data.length, [
    here('createGzip 6', () => pipeline((source) => zlibStream(source, 6))),
    here('zlib 6 in blocks', () => pipeline((source) => zlibBlocks(source, 6, 4))),
    here('1 worker', ours(1)),
    here('2 workers', ours(2)),
    here('2 workers, just started', fresh),
    here('2 workers, level 7', ours(2, 7)),
    here('2 workers, level 9', ours(2, 9)),
    pgzip('skopeo (Go pgzip)'),
    tool('pigz', 'pigz', '-c'),
    tool('gzip', 'gzip', '-c'),
    here('createGzip 1', () => pipeline((source) => zlibStream(source, 1))),
    here('zlib 1 in blocks', () => pipeline((source) => zlibBlocks(source, 1, 4))),
    here('2 workers, level 1', ours(2, 1)),
    tool('pigz -1', 'pigz', '-1', '-c'),
    here('2 workers, zstd', ours(2, undefined, 'zstd')),
    tool('zstd', 'zstd', '-q', '-c'),
    tool('zstd -T2', 'zstd', '-T2', '-q', '-c'),
    here('no compression', () => pipeline((source) => pools.get(2).compress(source, { type: 'uncompressed' }))),
  ])
  const two = rows['2 workers']
  target('layer, 2 workers, against createGzip 6', 3.2, two, rows['createGzip 6'], 'wall', 0)
  target('layer, 2 workers, against zlib 6 in blocks', 1.6, two, rows['zlib 6 in blocks'], 'wall', 0)
  target('layer, 1 worker, against createGzip 6', 1.8, rows['1 worker'], rows['createGzip 6'], 'cpu', 0.5)
  target('layer, 2 workers, level 1, against createGzip 1', 1.7, rows['2 workers, level 1'], rows['createGzip 1'], 'wall', 0)
  target("layer, 2 workers, against Go's pgzip", 0.9, two, rows['skopeo (Go pgzip)'], 'wall', -4)
  target('layer, 2 workers, against pigz', 0.9, two, rows.pigz, 'wall', 0.5)
  await Promise.all([...pools.values()].map((codec) => codec[Symbol.asyncDispose]()))
}

async function benchNoise(codec) {
  const noise = createNoise(data.length)
  const pipe = (level) => () => sizeOf(codec.compress(chunksOf(noise), { type: 'gzip', level }))
  await compare('Random bytes, compression alone', noise.length, [
    here('zlib 6 in blocks', () => sizeOf(zlibBlocks(chunksOf(noise), 6, 4))),
    here('2 workers', pipe(6)),
    here('2 workers, level 1', pipe(1)),
  ])
}

function createNoise(size) {
  const fd = openSync('/dev/urandom', 'r')
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; ) at += readSync(fd, bytes, at, size - at, null)
  closeSync(fd)
  return bytes
}

async function benchFingerprint() {
  const files = PARTS.flatMap(({ folders }) => folders.flatMap(filesOf))
  const fingerprinter = createFingerprinter()
  for (const [name, chosen, must] of [
    ['all files', files, 2],
    ['files below 16 KiB', files.filter(({ size }) => size < SMALL_FILE), 1.5],
  ]) {
    const bytes = chosen.reduce((sum, { size }) => sum + size, 0)
    const rows = await compare(`Fingerprint of ${chosen.length} files (${name})`, bytes, [
      here('readFile and SHA-256', () => chosen.forEach(({ path }) => void createHash('sha256').update(readFileSync(path)).digest('hex'))),
      here('fingerprint', () => chosen.forEach(({ path }) => void fingerprinter.file(path))),
    ])
    target(`fingerprint, ${name}, against readFile and SHA-256`, must, rows.fingerprint, rows['readFile and SHA-256'], 'wall')
  }
  const rows = await compare('Fingerprint of bytes in memory', data.length, [
    here('SHA-256', () => void createHash('sha256').update(data).digest('hex')),
    here('fingerprint', () => void fingerprinter.bytes(data)),
  ])
  target('fingerprint, in memory, against SHA-256', 3, rows.fingerprint, rows['SHA-256'], 'wall')
}

/** Some of the files below a folder: in all so few bytes that they stay in the page cache. */
function filesOf(folder) {
  const found = []
  try {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isFile() && found.length < 1200) found.push({ path, size: statSync(path).size })
    }
  } catch {
    // Not on this machine.
  }
  return found.filter(({ size }) => size < 4e6)
}

/** The same bytes, whoever compresses them. */
async function compareDigests() {
  const digests = {}
  for (const workers of [0, 1, 2, 8]) {
    await withCodec(workers, async (codec) => {
      for (const level of [1, 6, 9]) {
        const hash = createHash('sha256')
        for await (const bytes of codec.compress(chunksOf(less, CHUNK + workers), { type: 'gzip', level })) hash.update(bytes)
        digests[level] ??= new Set()
        digests[level].add(hash.digest('hex'))
      }
    })
  }
  const areEqual = Object.values(digests).every((seen) => seen.size === 1)
  console.log(`\nDigests of no worker, 1, 2 and 8, at levels 1, 6 and 9: ${areEqual ? 'equal' : 'DIFFERENT'}`)
  return areEqual
}

function printTargets() {
  console.log('\n| target | must be | is | may be larger by | is | |\n|---|---|---|---|---|---|')
  for (const { name, must, speed, larger, size, isMet } of targets) {
    const sizes = larger === undefined ? ['', ''] : [`${larger} %`, `${signed(size)} %`]
    console.log(`| ${[name, `${must} x`, `${speed.toFixed(2)} x`, ...sizes, isMet ? 'reached' : 'MISSED'].join(' | ')} |`)
  }
}

try {
  const machine = { cpu: cpus()[0]?.model, processors: cpus().length, node: process.version, load: loadavg()[0], rounds: ROUNDS, codec: createCodec({ workers: 0 }).id }
  console.log(`${machine.cpu}, ${machine.processors} processors, Node ${machine.node}, load ${machine.load.toFixed(1)}, medians of ${ROUNDS} rounds, ${machine.codec}`)
  console.log(`${(data.length / 1e6).toFixed(0)} MB: ${PARTS.map(({ name }, i) => `${(parts[i].length / 1e6).toFixed(0)} MB of ${name}`).join(', ')}`)
  const areEqual = await compareDigests()
  await benchOneThread()
  await benchLayer()
  await withCodec(2, benchNoise)
  await benchFingerprint()
  printTargets()
  if (jsonFile !== undefined) writeFileSync(jsonFile, `${JSON.stringify({ machine, digestsAreEqual: areEqual, tables, targets }, null, 2)}\n`)
  process.exitCode = areEqual && targets.every(({ isMet }) => isMet) ? 0 : 1
} finally {
  rmSync(directory, { recursive: true, force: true })
}
