import { createReadStream } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { gunzipSync } from 'node:zlib'
import { extract } from 'tar-stream'
import { readOciArchive } from './read-archive.ts'

/** Files of today are not told apart by their times. */
const OLD_SECONDS = 1_500_000_000

/** The entries of each gzip layer of an OCI archive: `path type mode owner @seconds`, in their order. */
export async function readLayers(file: string): Promise<readonly (readonly string[])[]> {
  const { manifest } = await readOciArchive(file)
  const wanted = manifest.layers.map(({ digest }) => `blobs/${digest.replace(':', '/')}`)
  const blobs = new Map<string, Buffer>()
  const reader = extract()
  const reading = pipeline(createReadStream(file), reader)
  reading.catch(() => {})
  for await (const entry of reader) {
    if (wanted.includes(entry.header.name)) blobs.set(entry.header.name, await buffer(entry))
    else entry.resume()
  }
  await reading
  return await Promise.all(wanted.map((name) => entriesOf(gunzipSync(blobs.get(name) ?? Buffer.alloc(0)))))
}

async function entriesOf(tar: Buffer): Promise<readonly string[]> {
  const reader = extract()
  reader.end(tar)
  const lines: string[] = []
  for await (const entry of reader) {
    entry.resume()
    const { name, type, mode, uid, gid, mtime, linkname } = entry.header
    const seconds = (mtime?.getTime() ?? 0) / 1000
    const time = seconds > OLD_SECONDS ? 'now' : seconds
    const target = linkname == null ? '' : ` -> ${linkname}`
    lines.push(`${name} ${type} ${mode.toString(8)} ${uid}:${gid} @${time}${target}`)
  }
  return lines
}
