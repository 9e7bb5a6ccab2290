// Makes a small base image as an OCI layout directory, without a network:
//   node scripts/make-base-layout.mjs DEST                  from this machine's own programs
//   node scripts/make-base-layout.mjs DEST --rootfs-tar X   from a root file system as a tar
// The image is tagged "base". Only Node, tar and (for the first form) ldd are needed.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { copyFile, mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

const PROGRAMS =
  'sh ls cat cp mv rm mkdir rmdir chmod chown ln touch echo env id date sleep seq head tail wc sort grep sed find sha256sum true false uname'
const SEARCH_PATH = ['/bin', '/usr/bin', '/sbin', '/usr/sbin']
const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64', arm: 'arm', riscv64: 'riscv64', ppc64: 'ppc64le', s390x: 's390x' }

/** The shared libraries of a program, and its loader; none where it is static. */
function libraries(program) {
  try {
    const output = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return [...output.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1])
  } catch {
    return []
  }
}

async function install(file, target, root) {
  await mkdir(join(root, dirname(target)), { recursive: true })
  await copyFile(file, join(root, target))
}

async function installWithLibraries(program, root) {
  await install(program, join('/bin', basename(program)), root)
  for (const library of libraries(program)) await install(library, library, root)
}

async function installPrograms(root) {
  const find = (name) => SEARCH_PATH.map((folder) => join(folder, name)).find((path) => existsSync(path))
  const busybox = find('busybox')
  if (busybox === undefined) {
    for (const program of PROGRAMS.split(' ').map(find)) if (program !== undefined) await installWithLibraries(program, root)
    return 'programs of this machine'
  }
  await installWithLibraries(busybox, root)
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n')
  for (const applet of applets.filter((name) => name !== 'busybox')) await symlink('busybox', join(root, 'bin', applet))
  return 'busybox'
}

async function stageRoot(root) {
  for (const folder of ['bin', 'etc', 'root', 'tmp', 'var']) await mkdir(join(root, folder), { recursive: true })
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n')
  await writeFile(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n')
  const what = await installPrograms(root)
  execFileSync('chmod', ['-R', 'u=rwX,go=rX', root])
  execFileSync('chmod', ['1777', join(root, 'tmp')])
  return what
}

/** Copies `file` gzipped into the layout, named by its digest. */
async function addLayer(file, blobs) {
  const [plain, packed] = [createHash('sha256'), createHash('sha256')]
  let size = 0
  const watch = (hash, count) =>
    new Transform({
      transform(chunk, _encoding, done) {
        hash.update(chunk)
        size += count ? chunk.length : 0
        done(null, chunk)
      },
    })
  const part = join(blobs, 'part')
  await pipeline(createReadStream(file), watch(plain, false), createGzip({ level: 1 }), watch(packed, true), createWriteStream(part))
  const digest = packed.digest('hex')
  await rename(part, join(blobs, digest))
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'
  return { diffId: `sha256:${plain.digest('hex')}`, descriptor: { mediaType, digest: `sha256:${digest}`, size } }
}

async function addJson(value, mediaType, blobs) {
  const bytes = Buffer.from(JSON.stringify(value))
  const digest = createHash('sha256').update(bytes).digest('hex')
  await writeFile(join(blobs, digest), bytes)
  return { mediaType, digest: `sha256:${digest}`, size: bytes.length }
}

async function writeLayout(tar, dest) {
  const blobs = join(dest, 'blobs/sha256')
  await mkdir(blobs, { recursive: true })
  const layer = await addLayer(tar, blobs)
  const created = '2026-01-01T00:00:00Z'
  const config = await addJson(
    {
      created,
      architecture: ARCHITECTURES[process.arch] ?? process.arch,
      ...(process.arch === 'arm64' ? { variant: 'v8' } : {}),
      os: 'linux',
      config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['sh'] },
      rootfs: { type: 'layers', diff_ids: [layer.diffId] },
      history: [{ created, created_by: 'make-base-layout' }],
    },
    'application/vnd.oci.image.config.v1+json',
    blobs,
  )
  const manifestType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = await addJson(
    { schemaVersion: 2, mediaType: manifestType, config, layers: [layer.descriptor] },
    manifestType,
    blobs,
  )
  const annotations = { 'org.opencontainers.image.ref.name': 'base' }
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] }
  await writeFile(join(dest, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(join(dest, 'index.json'), JSON.stringify(index))
  return manifest.digest
}

async function tarOfThisMachine(folder) {
  const [root, tar] = [join(folder, 'root'), join(folder, 'root.tar')]
  const what = await stageRoot(root)
  const options = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@1767225600', '--format=gnu']
  execFileSync('tar', [...options, '-C', root, '-cf', tar, '.'])
  console.log(`Made a root file system from: ${what}`)
  return tar
}

const [dest, flag, givenTar] = process.argv.slice(2)
if (dest === undefined || (flag !== undefined && (flag !== '--rootfs-tar' || givenTar === undefined))) {
  console.error('usage: make-base-layout.mjs DEST [--rootfs-tar FILE]')
  process.exit(2)
}
const folder = mkdtempSync(join(tmpdir(), 'ossb-base-'))
try {
  const digest = await writeLayout(givenTar ?? (await tarOfThisMachine(folder)), dest)
  console.log(`Wrote the base image ${digest} to ${dest}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
