// Measures the codec against node:zlib and node:crypto in one run, interleaved, and prints medians and ratios.
// usage: node scripts/bench/codec.mjs [file [rounds]]     (after npm run build; by default 64 MB of a tar of /usr)
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { constants, createGzip, deflateRaw, gzipSync } from 'node:zlib'
import { createCodec, createFingerprinter } from '../../dist/codec/index.js'

const BLOCK = 1024 * 1024
const DICTIONARY = 32 * 1024
const SAMPLE = 64e6
const rounds = Number(process.argv[3] ?? 3)
const data = process.argv[2] === undefined ? sampleOfUsr() : readFileSync(process.argv[2])

function sampleOfUsr() {
  const directory = mkdtempSync(join(tmpdir(), 'ossb-bench-'))
  const file = join(directory, 'usr.tar')
  try {
    execFileSync('sh', ['-c', `tar -cf - --sort=name /usr/bin /usr/lib /usr/share 2>/dev/null | head -c ${SAMPLE} > ${file}`])
    return readFileSync(file)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

async function* chunks(size = 65536) {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size)
}

/** What a layer goes through: SHA-256 of the input, compression, SHA-256 of the output. */
async function pipeline(compress) {
  const diffId = createHash('sha256')
  const digest = createHash('sha256')
  let size = 0
  async function* hashed() {
    for await (const chunk of chunks()) {
      diffId.update(chunk)
      yield chunk
    }
  }
  for await (const bytes of compress(hashed())) {
    digest.update(bytes)
    size += bytes.length
  }
  return size
}

async function* blockParallelZlib(source, inFlight) {
  const queue = []
  const deflate = promisify(deflateRaw)
  let block = Buffer.alloc(0)
  let before
  const submit = (input, finishFlush) => {
    queue.push(deflate(input, { level: 6, finishFlush, ...(before === undefined ? {} : { dictionary: before }) }))
    before = input.subarray(-DICTIONARY)
  }
  for await (const chunk of source) {
    block = Buffer.concat([block, chunk])
    if (block.length < BLOCK) continue
    submit(block.subarray(0, BLOCK), constants.Z_SYNC_FLUSH)
    block = block.subarray(BLOCK)
    if (queue.length > inFlight) yield await queue.shift()
  }
  submit(block, constants.Z_FINISH)
  for (const rest of queue) yield await rest
}

async function collectSize(stream) {
  let size = 0
  for await (const bytes of stream) size += bytes.length
  return size
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]

/** Runs the candidates in turn, `rounds` times. Speed is of processor time (`cpu`) or of the clock (`wall`). */
async function compare(title, clock, candidates) {
  const times = candidates.map(() => [])
  const sizes = []
  for (let round = 0; round < rounds; round++) {
    for (const [index, [, run]] of candidates.entries()) {
      const [cpu, wall] = [process.cpuUsage(), performance.now()]
      sizes[index] = await run()
      const { user, system } = process.cpuUsage(cpu)
      times[index].push(clock === 'cpu' ? (user + system) / 1000 : performance.now() - wall)
    }
  }
  const [base] = times.map(median)
  console.log(`\n${title} (${clock}, median of ${rounds})\n`)
  console.log('| | MB/s | x first | size % | vs first |\n|---|---|---|---|---|')
  for (const [index, [name]] of candidates.entries()) {
    const time = median(times[index])
    const size = sizes[index]
    const share = size === undefined ? '' : ((100 * size) / data.length).toFixed(2)
    const against = size === undefined ? '' : `${(100 * (size / sizes[0] - 1)).toFixed(2)} %`
    console.log(`| ${name} | ${(data.length / 1000 / time).toFixed(1)} | ${(base / time).toFixed(2)} | ${share} | ${against} |`)
  }
}

const inThread = createCodec({ workers: 0 })
const gzip = (codec, level) => (source) => codec.compress(source, { type: 'gzip', level })
const zlib = (level) => async () => gzipSync(data, { level }).length
const ours = (level) => () => collectSize(gzip(inThread, level)(chunks()))

console.log(`${cpus()[0]?.model}, ${cpus().length} processors, Node ${process.version}, ${(data.length / 1e6).toFixed(0)} MB, ${inThread.id}`)
await compare('One thread, default level', 'cpu', [['node:zlib 6', zlib(6)], ...[2, 6, 7, 8].map((level) => [`level ${level}`, ours(level)])])
await compare('One thread, fastest level', 'cpu', [['node:zlib 1', zlib(1)], ['level 1', ours(1)]])
await compare('One thread, best level', 'cpu', [['node:zlib 9', zlib(9)], ['level 9', ours(9)]])

const pools = [1, 2].map((workers) => [workers, createCodec({ workers })])
await compare('Layer: SHA-256, gzip, SHA-256', 'wall', [
  ['createGzip 6', () => pipeline(streamGzip)],
  ['block-parallel node:zlib 6', () => pipeline((source) => blockParallelZlib(source, 2))],
  ...pools.map(([workers, codec]) => [`${workers} worker(s), default`, () => pipeline(gzip(codec, undefined))]),
  ...pools.map(([workers, codec]) => [`${workers} worker(s), level 1`, () => pipeline(gzip(codec, 1))]),
  ['2 workers, zstd 3', () => pipeline((source) => pools[1][1].compress(source, { type: 'zstd' }))],
])

async function* streamGzip(source) {
  const { Readable } = await import('node:stream')
  yield* Readable.from(source).pipe(createGzip())
}

const compressed = gzipSync(data)
async function* gzipChunks() {
  for (let at = 0; at < compressed.length; at += 65536) yield compressed.subarray(at, at + 65536)
}
await compare('Decompression of gzip (output MB/s)', 'wall', [['decompress()', async () => void (await collectSize(inThread.decompress(gzipChunks())))]])

const tree = readdirSync('/usr/lib', { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .slice(0, 8000)
  .map((entry) => join(entry.parentPath, entry.name))
const fingerprinter = createFingerprinter()
console.log(`\n${tree.length} files of /usr/lib, each read and hashed (MB/s is of no meaning here):`)
await compare('Fingerprint of a tree', 'wall', [
  ['readFile + SHA-256', async () => tree.forEach((path) => void createHash('sha256').update(readFileSync(path)).digest('hex'))],
  ['fingerprinter', async () => tree.forEach((path) => void fingerprinter.file(path))],
])
await Promise.all(pools.map(([, codec]) => codec[Symbol.asyncDispose]()))
