import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Descriptor, digestHex, digestOf, MEDIA_TYPE } from '../../src/core/index.ts'
import { type ArchiveEntry, archive } from './layer-files.ts'

const link = (path: string, linkTarget: string): ArchiveEntry => ({ path, type: 'symlink', linkTarget })
const file = (path: string): ArchiveEntry => ({ path, content: 'written' })

/** A layer in which everything leads out of the root, were it followed by anybody outside. */
function entries(outside: string): readonly ArchiveEntry[] {
  return [
    file(`../../../../../../../..${outside}/dots`),
    file(`${outside}/absolute`),
    link('drop', outside),
    link('up', `../../../../../../../..${outside}`),
    file('drop/through-link'),
    { path: 'canary-link', type: 'hardlink', linkTarget: `drop/through-link` },
    link('work', `/proc/1/root${outside}`),
    link('run', outside),
    link('etc/shadow-link', `${outside}/canary`),
    link('etc/resolv.conf', `${outside}/canary`),
    link('etc/hosts', `../..${outside}/canary`),
    link('etc/group', `${outside}/sub/file`),
    { path: 'image-disk', type: 'block', mode: 0o666, devMajor: 8, devMinor: 0 },
    { path: 'image-mem', type: 'character', mode: 0o666, devMajor: 1, devMinor: 1 },
    { path: 'drop/.wh.canary', content: '' },
    { path: 'up/.wh..wh..opq', content: '' },
  ]
}

/** A copy of an image in an OCI layout, with that layer on top; `outside` is an absolute path. */
export async function hostileImage(base: string, directory: string, outside: string): Promise<void> {
  await cp(base, directory, { recursive: true })
  const blob = ({ digest }: Pick<Descriptor, 'digest'>): string =>
    join(directory, 'blobs/sha256', digestHex(digest))
  const put = async (mediaType: string, bytes: Uint8Array): Promise<Descriptor> => {
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
    await writeFile(blob(descriptor), bytes)
    return descriptor
  }
  const read = async (path: string) => JSON.parse(await readFile(path, 'utf8'))
  const index = await read(join(directory, 'index.json'))
  const manifest = await read(blob(index.manifests[0]))
  const config = await read(blob(manifest.config))
  const tar = archive(...entries(outside))
  manifest.layers.push(await put(MEDIA_TYPE.ociLayerGzip, gzipSync(tar)))
  config.rootfs.diff_ids.push(digestOf(tar))
  const json = (value: object) => Buffer.from(JSON.stringify(value))
  manifest.config = await put(MEDIA_TYPE.ociConfig, json(config))
  const { annotations } = index.manifests[0]
  index.manifests = [{ ...(await put(MEDIA_TYPE.ociManifest, json(manifest))), annotations }]
  await writeFile(join(directory, 'index.json'), json(index))
}
