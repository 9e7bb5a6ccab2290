// Copies an image with one very large layer to a registry and back, and prints time and memory:
//   node scripts/large-layer.mjs [GIBIBYTES]      needs dist/ (npm run build:ts)
// The layer is zeros: a sparse file at the one end, and a registry in this process that counts them and makes them up at
// the other. Ends with status 1 where a byte is missing or a copy takes more memory than it may.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'

const SIZE = Number(process.argv[2] ?? 6) * 2 ** 30
const MAX_RSS_MIB = 300
const program = new URL('../dist/cli/ossb.js', import.meta.url).pathname
const directory = mkdtempSync(join(tmpdir(), 'ossb-large-'))
const layout = join(directory, 'image')

function* zeros() {
  const piece = Buffer.alloc(1024 * 1024)
  for (let left = SIZE; left > 0; left -= piece.length) yield left < piece.length ? piece.subarray(0, left) : piece
}

function sha256(pieces) {
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

const blobs = join(layout, 'blobs', 'sha256')
mkdirSync(blobs, { recursive: true })
const oci = 'application/vnd.oci.image'
const layer = { mediaType: `${oci}.layer.v1.tar`, digest: `sha256:${sha256(zeros())}`, size: SIZE }
const layerFile = join(blobs, layer.digest.slice(7))
writeFileSync(layerFile, '')
truncateSync(layerFile, SIZE)
const put = (mediaType, content) => {
  const bytes = Buffer.from(content)
  const digest = `sha256:${sha256([bytes])}`
  writeFileSync(join(blobs, digest.slice(7)), bytes)
  return { mediaType, digest, size: bytes.length }
}
const small = [put(`${oci}.layer.v1.tar`, ''), put(`${oci}.layer.v1.tar`, 'x'.repeat(39))]
const layers = [layer, ...small]
const config = put(`${oci}.config.v1+json`, JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) } }))
const root = put(`${oci}.manifest.v1+json`, JSON.stringify({ schemaVersion: 2, mediaType: `${oci}.manifest.v1+json`, config, layers }))
writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ ...root, annotations: { 'org.opencontainers.image.ref.name': 'x' } }] }))
writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')

/** Bytes that came of each blob, and their Content-Length. */
const uploaded = new Map()
const documents = new Map()
const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://x')
  const name = url.pathname.split('/').at(-1)
  if (request.method === 'PUT' && url.pathname.includes('/uploads/')) {
    const parts = []
    let bytes = 0
    for await (const chunk of request) {
      bytes += chunk.length
      if (bytes < 100_000) parts.push(chunk)
    }
    const digest = url.searchParams.get('digest')
    uploaded.set(digest, { bytes, length: Number(request.headers['content-length']) })
    documents.set(digest, { bytes: Buffer.concat(parts), type: 'application/octet-stream' })
    return response.writeHead(201).end()
  }
  if (request.method === 'PUT') {
    const bytes = Buffer.from(await text(request))
    for (const key of [name, `sha256:${sha256([bytes])}`]) documents.set(key, { bytes, type: request.headers['content-type'] })
    return response.writeHead(201).end()
  }
  if (request.method === 'POST') return response.writeHead(202, { location: '/v2/r/x/blobs/uploads/1' }).end()
  if (url.pathname === '/v2/') return response.writeHead(200).end()
  const found = documents.get(name)
  if (found === undefined) return response.writeHead(404).end()
  const size = name === layer.digest ? SIZE : found.bytes.length
  response.writeHead(200, { 'content-type': found.type, 'content-length': size })
  if (request.method === 'HEAD') return response.end()
  if (name === layer.digest) return Readable.from(zeros()).pipe(response)
  return response.end(found.bytes)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const remote = `127.0.0.1:${server.address().port}/r/x:1`

/** Runs `ossb copy`; python3 knows what it used. */
async function copy(from, to) {
  const code = `
import json, resource, subprocess, sys, time
start = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
use = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"status": done.returncode, "wall": time.monotonic() - start, "cpu": use.ru_utime + use.ru_stime, "rss": use.ru_maxrss / 1024}))`
  const child = spawn('python3', ['-c', code, process.execPath, program, 'copy', '-q', from, to], { stdio: ['ignore', 'pipe', 'inherit'] })
  const { status, wall, cpu, rss } = JSON.parse(await text(child.stdout))
  console.log(`${from} -> ${to}: status ${status}, ${wall.toFixed(1)} s, ${cpu.toFixed(1)} s of processor, ${rss.toFixed(0)} MiB`)
  return status === 0 && rss < MAX_RSS_MIB
}

try {
  let good = await copy(`oci:${layout}:x`, remote)
  for (const { digest, size } of [...layers, config]) {
    const came = uploaded.get(digest)
    console.log(`  ${size} bytes: ${came?.bytes} came, Content-Length ${came?.length}`)
    good &&= came?.bytes === size && came.length === size
  }
  const back = join(directory, 'back')
  good = (await copy(remote, `oci:${back}:x`)) && good
  good &&= statSync(join(back, 'blobs', 'sha256', layer.digest.slice(7))).size === SIZE
  process.exitCode = good ? 0 : 1
} finally {
  server.closeAllConnections()
  server.close()
  rmSync(directory, { recursive: true, force: true })
}
