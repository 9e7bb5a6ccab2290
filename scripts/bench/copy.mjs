// Time, processor time and memory of `ossb copy` against `skopeo copy`, registry -> OCI layout and back:
//   node scripts/bench/copy.mjs [MEGABYTES [ROUNDS]]      needs dist/ (npm run build:ts), skopeo and docker-registry
// Both run in turns, always to fresh destinations. Prints the medians as Markdown, and ends with status 1 where ossb
// takes longer, more processor time, or more memory than it may.
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { measure, median, startRegistry } from './measure.mjs'

const MEGABYTES = Number(process.argv[2] ?? 1024)
const ROUNDS = Number(process.argv[3] ?? 3)
const LAYERS = 10
/** Of ossb to skopeo. */
const MAX_RATIO = 1
const MAX_RSS_MIB = 200
const program = new URL('../../dist/cli/ossb.js', import.meta.url).pathname

const directory = mkdtempSync(join(tmpdir(), 'ossb-bench-'))
const layout = join(directory, 'image')

/** An OCI layout of random layers, and so the worst case of whoever compresses. */
function makeImage() {
  const blobs = join(layout, 'blobs', 'sha256')
  mkdirSync(blobs, { recursive: true })
  const put = (mediaType, bytes) => {
    const hex = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(blobs, hex), bytes)
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length }
  }
  const oci = 'application/vnd.oci.image'
  const layers = Array.from({ length: LAYERS }, () => makeLayer(blobs, `${oci}.layer.v1.tar+gzip`))
  const config = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) } }
  const manifest = {
    schemaVersion: 2,
    mediaType: `${oci}.manifest.v1+json`,
    config: put(`${oci}.config.v1+json`, Buffer.from(JSON.stringify(config))),
    layers,
  }
  const descriptor = put(manifest.mediaType, Buffer.from(JSON.stringify(manifest)))
  const annotations = { 'org.opencontainers.image.ref.name': 'latest' }
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ ...descriptor, annotations }] }))
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
}

function makeLayer(blobs, mediaType) {
  const size = Math.floor((MEGABYTES * 1024 * 1024) / LAYERS)
  const content = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), randomBytes(size - 4)])
  const hex = createHash('sha256').update(content).digest('hex')
  const fd = openSync(join(blobs, hex), 'w')
  for (let at = 0; at < size; ) at += writeSync(fd, content, at)
  closeSync(fd)
  return { mediaType, digest: `sha256:${hex}`, size }
}

function runRounds(host) {
  const pulls = { skopeo: [], ossb: [] }
  const pushes = { skopeo: [], ossb: [] }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const tool of round % 2 === 0 ? ['skopeo', 'ossb'] : ['ossb', 'skopeo']) {
      const target = `${host}/${tool}-${round}/app:1`
      const copy = join(directory, `copy-${tool}`)
      const [push, pull] =
        tool === 'ossb'
          ? [
              ['node', program, 'copy', '--progress', 'quiet', `oci:${layout}:latest`, target],
              ['node', program, 'copy', '--progress', 'quiet', target, `oci:${copy}:latest`],
            ]
          : [
              ['skopeo', 'copy', '--quiet', '--dest-tls-verify=false', `oci:${layout}:latest`, `docker://${target}`],
              ['skopeo', 'copy', '--quiet', '--src-tls-verify=false', `docker://${target}`, `oci:${copy}:latest`],
            ]
      pushes[tool].push(measure(push))
      pulls[tool].push(measure(pull))
      rmSync(copy, { recursive: true })
      // A registry that has the content under another name would let go of it for nothing.
      rmSync(join(directory, 'registry'), { recursive: true })
    }
  }
  return { 'OCI layout -> registry': pushes, 'registry -> OCI layout': pulls }
}

let broken = 0
makeImage()
const registry = await startRegistry(directory)
try {
  console.log(`${MEGABYTES} MiB in ${LAYERS} layers, medians of ${ROUNDS} rounds\n`)
  console.log('| way | tool | wall | processor | user | system | memory |\n| --- | --- | --- | --- | --- | --- | --- |')
  for (const [way, tools] of Object.entries(runRounds(registry.host))) {
    const of = (tool, what) => median(tools[tool].map((run) => run[what]))
    for (const tool of ['skopeo', 'ossb']) {
      const seconds = ['wall', 'cpu', 'user', 'sys'].map((what) => `${of(tool, what).toFixed(2)} s`)
      console.log(`| ${way} | ${tool} | ${seconds.join(' | ')} | ${of(tool, 'rss').toFixed(0)} MiB |`)
    }
    const [wall, cpu] = ['wall', 'cpu'].map((what) => of('ossb', what) / of('skopeo', what))
    const rss = of('ossb', 'rss')
    console.log(`| ${way} | ossb / skopeo | ${wall.toFixed(2)} | ${cpu.toFixed(2)} | | | |`)
    if (wall > MAX_RATIO || cpu > MAX_RATIO || rss > MAX_RSS_MIB) broken += 1
  }
} finally {
  registry.stop()
  rmSync(directory, { recursive: true, force: true })
}
process.exitCode = broken === 0 ? 0 : 1
