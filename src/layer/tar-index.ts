import { posix } from 'node:path'
import type { RandomFile } from '../io/index.ts'
import { type ByteReader, MORE } from './byte-reader.ts'
import { invalid } from './tar-fields.ts'
import { scanTar } from './tar-reader.ts'

/** Where the content of a file in an archive lies, in bytes. */
export interface TarMember {
  readonly offset: number
  readonly size: number
}

/** Tools write a directory, three files and a link for each layer; no image has so many. */
const MAX_MEMBERS = 100_000
const MAX_LINKS = 10

/**
 * The files of a tar archive by their paths without "./" in front, found in one pass that reads headers only. Of
 * several of one name the last counts; links lead to what they name.
 * @throws OssbError ERR_OSSB_LAYER_INVALID for what is no archive
 */
export function indexTar(file: RandomFile): ReadonlyMap<string, TarMember> {
  const reader = createFileReader(file)
  const members = new Map<string, TarMember>()
  const links = new Map<string, string>()
  for (const header of scanTar(reader, 'skipped')) {
    // What a reader of a file lacks is not there.
    if (header === MORE || header instanceof Uint8Array) continue
    if (members.size + links.size > MAX_MEMBERS) throw invalid(`it holds more than ${MAX_MEMBERS} files`)
    const name = cleanPath(header.path)
    members.delete(name)
    links.delete(name)
    if (header.type === 'file') {
      const offset = reader.position()
      if (offset + header.size > file.size) throw invalid(`it ends in the middle of "${name}"`)
      members.set(name, { offset, size: header.size })
    }
    if (header.type === 'hardlink') links.set(name, cleanPath(header.linkTarget))
    else if (header.type === 'symlink')
      links.set(name, cleanPath(posix.join(posix.dirname(name), header.linkTarget)))
  }
  for (const name of links.keys()) {
    const member = follow(name, members, links)
    if (member !== undefined) members.set(name, member)
  }
  return members
}

function follow(
  name: string,
  members: ReadonlyMap<string, TarMember>,
  links: ReadonlyMap<string, string>,
): TarMember | undefined {
  let target: string | undefined = name
  for (let hops = 0; target !== undefined && hops <= MAX_LINKS; hops += 1) {
    const member = members.get(target)
    if (member !== undefined) return member
    target = links.get(target)
  }
  return undefined
}

/** `./a`, `/a` and `../a` are `a`: there is nothing outside of an archive. */
function cleanPath(path: string): string {
  return posix.normalize(`/${path}`).slice(1)
}

/** What is read at a time: a header, with the one of a long name in front of it. */
const WINDOW_BYTES = 4096

/** What a reader of a file has to wait for. */
const ALL_HERE: readonly never[] = []

/** Reads a file from its start, and passes over what is skipped. */
function createFileReader(file: RandomFile): ByteReader & { position(): number } {
  let at = 0
  const read = (most: number): Buffer => {
    const bytes = file.read(at, Math.min(most, Math.max(0, file.size - at)))
    at += bytes.length
    return bytes
  }
  return {
    position: () => at,
    takeNow: read,
    someNow: (most) => read(Math.min(most, WINDOW_BYTES)),
    *some(most) {
      yield* ALL_HERE
      return read(Math.min(most, WINDOW_BYTES))
    },
    *take(count) {
      yield* ALL_HERE
      return read(count)
    },
    *skip(count) {
      yield* ALL_HERE
      at += count
    },
  }
}
