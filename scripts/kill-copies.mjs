// Kills `ossb copy` at random moments and runs it again on what the killed one left:
//   node scripts/kill-copies.mjs [ROUNDS [SEED]]      needs dist/ (npm run build:ts) and docker-registry
// Each round goes one of five ways: registry, layout, archive and cache, there and back. After each kill no blob may be
// other than its name says, no archive half there, and no tag may lead to something that is not whole; the run after it
// has to succeed with the same digest. Ends with status 1 at the first breach, and prints what is needed to see it again.
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout } from 'node:timers/promises'

const ROUNDS = Number(process.argv[2] ?? 100)
const SEED = Number(process.argv[3] ?? Date.now() % 1_000_000)
const LAYER_BYTES = [8_000_000, 5_000_000, 3_000_000, 1_000_000, 10]
const program = new URL('../dist/cli/ossb.js', import.meta.url).pathname
const directory = mkdtempSync(join(tmpdir(), 'ossb-kill-'))
const file = (name) => join(directory, name)

let state = SEED
function random() {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 2 ** 32
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

function makeImage(layout) {
  const blobs = join(layout, 'blobs', 'sha256')
  mkdirSync(blobs, { recursive: true })
  const put = (mediaType, bytes) => {
    writeFileSync(join(blobs, sha256(bytes)), bytes)
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length }
  }
  const oci = 'application/vnd.oci.image'
  const layers = LAYER_BYTES.map((size) => put(`${oci}.layer.v1.tar`, randomBytes(size)))
  const config = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) } }
  const manifest = { schemaVersion: 2, mediaType: `${oci}.manifest.v1+json`, config: put(`${oci}.config.v1+json`, Buffer.from(JSON.stringify(config))), layers }
  const descriptor = put(manifest.mediaType, Buffer.from(JSON.stringify(manifest)))
  const annotations = { 'org.opencontainers.image.ref.name': 'x' }
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ ...descriptor, annotations }] }))
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  return descriptor.digest
}

async function startRegistry() {
  const logging = { level: 'info', formatter: 'json', accesslog: { disabled: true } }
  const storage = { filesystem: { rootdirectory: file('registry') } }
  writeFileSync(file('registry.json'), JSON.stringify({ version: 0.1, log: logging, storage, http: { addr: '127.0.0.1:0', secret: 'x' } }))
  const child = spawn('docker-registry', ['serve', file('registry.json')], { stdio: ['ignore', 'ignore', openSync(file('log'), 'w')] })
  for (let tries = 0; tries < 600; tries += 1) {
    const port = /listening on 127\.0\.0\.1:(\d+)/.exec(readFileSync(file('log'), 'utf8'))?.[1]
    if (port !== undefined) return { host: `127.0.0.1:${port}`, stop: () => child.kill() }
    await setTimeout(50)
  }
  child.kill()
  throw new Error('docker-registry did not start')
}

const environment = { ...process.env, HOME: directory, XDG_CACHE_HOME: directory }
const command = ([from, to]) => ['copy', '-q', '--cache-dir', file('cache'), from, to]

/** Milliseconds that a copy took; throws where it failed or came to another digest. */
function mustCopy(way, digest) {
  const start = Date.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...command(way)], { env: environment, encoding: 'utf8' })
  if (status !== 0 || stdout.trim() !== digest) throw new Error(`${way.join(' -> ')} came to ${status} ${stdout.trim()}: ${stderr}`)
  return Date.now() - start
}

/** @returns whether the copy was killed before its end */
async function killed(way, afterMs) {
  const child = spawn(process.execPath, [program, ...command(way)], { env: environment, stdio: 'ignore', detached: true })
  const ended = new Promise((resolve) => child.once('exit', (_status, signal) => resolve(signal === 'SIGKILL')))
  await Promise.race([ended, setTimeout(afterMs)])
  if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGKILL')
  return await ended
}

function checkLayout(layout) {
  const blobs = join(layout, 'blobs', 'sha256')
  if (!existsSync(blobs)) return
  for (const name of readdirSync(blobs)) {
    if (name.startsWith('.tmp-')) continue
    if (sha256(readFileSync(join(blobs, name))) !== name) throw new Error(`${join(blobs, name)} is not what its name says`)
  }
  if (!existsSync(join(layout, 'index.json'))) return
  for (const { digest } of JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests) checkManifest(blobs, digest)
}

/** What has a name is whole. */
function checkManifest(blobs, digest) {
  const { config, layers } = JSON.parse(readFileSync(join(blobs, digest.slice(7)), 'utf8'))
  for (const one of [config, ...layers]) if (!existsSync(join(blobs, one.digest.slice(7)))) throw new Error(`${digest} lacks ${one.digest}`)
}

async function checkTag(host, repository) {
  const base = `http://${host}/v2/${repository}`
  const answer = await fetch(`${base}/manifests/1`, { headers: { accept: 'application/vnd.oci.image.manifest.v1+json' } })
  if (answer.status === 404) return
  const { config, layers } = await answer.json()
  for (const { digest } of [config, ...layers])
    if ((await fetch(`${base}/blobs/${digest}`, { method: 'HEAD' })).status !== 200) throw new Error(`${repository}:1 lacks ${digest}`)
}

const image = file('image')
const digest = makeImage(image)
const registry = await startRegistry()
let kills = 0
try {
  const source = `${registry.host}/source:1`
  mustCopy([`oci:${image}:x`, source], digest)
  /** Each: its name, the way of a round, what to look at after a kill, and what to take away after a success. */
  const ways = [
    ['pull', () => [source, `oci:${file('layout')}:x`], () => checkLayout(file('layout')), () => rmSync(file('layout'), { recursive: true, force: true })],
    ['push', (round) => [`oci:${image}:x`, `${registry.host}/r${round}/x:1`], (round) => checkTag(registry.host, `r${round}/x`), () => {}],
    ['registry to registry', (round) => [source, `${registry.host}/s${round}/x:1`], (round) => checkTag(registry.host, `s${round}/x`), () => {}],
    ['pull into the cache', () => [source, 'cache:localhost/x:1'], () => checkLayout(file('cache')), () => rmSync(file('cache'), { recursive: true, force: true })],
    [
      'layout to archive',
      () => [`oci:${image}:x`, `oci-archive:${file('a.tar')}:x`],
      () => {
        if (existsSync(file('a.tar'))) mustCopy([`oci-archive:${file('a.tar')}:x`, `oci:${file('whole')}:x`], digest)
      },
      () => rmSync(file('a.tar'), { force: true }),
    ],
  ]
  const took = ways.map(([, way, , clear]) => {
    const ms = mustCopy(way('first'), digest)
    clear()
    return ms
  })
  for (let round = 0; round < ROUNDS; round += 1) {
    const at = round % ways.length
    const [name, way, check, clear] = ways[at]
    const afterMs = Math.round(random() * took[at])
    try {
      // Some are killed again on what the last one left.
      for (let times = 1 + Math.floor(random() * 2); times > 0; times -= 1) {
        if (await killed(way(round), afterMs)) kills += 1
        await check(round)
      }
      took[at] = (took[at] * 3 + mustCopy(way(round), digest)) / 4
      if (random() < 0.8) clear()
    } catch (error) {
      throw new Error(`seed ${SEED}, round ${round}, ${name}, killed after ${afterMs} ms`, { cause: error })
    }
  }
  console.log(`seed ${SEED}: ${kills} kills in ${ROUNDS} rounds, and every run after one came to ${digest}`)
} finally {
  registry.stop()
  rmSync(directory, { recursive: true, force: true })
}
if (kills < ROUNDS / 2) throw new Error(`only ${kills} of the copies were still running when they were to be killed`)
