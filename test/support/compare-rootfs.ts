import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract, type Header } from 'tar-stream'

/** A file system as text: what each path is, in the words that two builders have to agree on. */
export type RootfsListing = ReadonlyMap<string, string>

interface TarEntry {
  readonly header: Header
  readonly digest: string
}

/** Lists a tar: type, mode, owner, content, link target, device numbers and extended attributes; no times. */
export async function listTar(stream: Readable): Promise<RootfsListing> {
  const entries = new Map<string, TarEntry>()
  const reader = extract()
  const reading = pipeline(stream, reader)
  reading.catch(() => {})
  for await (const entry of reader) {
    const hash = createHash('sha256')
    for await (const chunk of entry) hash.update(chunk as Uint8Array)
    entries.set(normal(entry.header.name), { header: entry.header, digest: hash.digest('hex') })
  }
  await reading
  return describeEntries(entries)
}

export function listTarFile(file: string): Promise<RootfsListing> {
  return listTar(createReadStream(file))
}

/** Lists a directory, through GNU tar: it knows of links, devices and extended attributes. Needs the right to read it all. */
export async function listDirectory(directory: string, wrap: readonly string[] = []): Promise<RootfsListing> {
  const tar = [
    'tar',
    '--create',
    '--format=posix',
    '--sort=name',
    '--numeric-owner',
    '--xattrs',
    '--xattrs-include=*',
  ]
  const [command, ...args] = [...wrap, ...tar, '--directory', directory, '.']
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const listing = await listTar(child.stdout)
  const status = await ended
  if (status !== 0) throw new Error(`tar of ${directory} ended with ${status}: ${errors}`)
  return listing
}

/** What differs, as lines `path: left | right`; empty when nothing does. `ignored` paths and what is below them do not count. */
export function differences(
  left: RootfsListing,
  right: RootfsListing,
  ignored: readonly string[] = [],
): string[] {
  const paths = [...new Set([...left.keys(), ...right.keys()])].sort()
  const counts = (path: string): boolean =>
    !ignored.some((base) => path === base || path.startsWith(`${base}/`))
  return paths
    .filter((path) => counts(path) && left.get(path) !== right.get(path))
    .map((path) => `${path}: ${left.get(path) ?? 'absent'} | ${right.get(path) ?? 'absent'}`)
}

function describeEntries(entries: ReadonlyMap<string, TarEntry>): RootfsListing {
  const groups = hardLinkGroups(entries)
  const listing = new Map<string, string>()
  for (const [path, entry] of entries) {
    const group = groups.get(path)
    const target = entry.header.type === 'link' ? normal(entry.header.linkname ?? '') : path
    const described = entries.get(target) ?? entry
    listing.set(path, describe(described) + (group === undefined ? '' : ` links=${group.join(',')}`))
  }
  return listing
}

/** Members of each hard link group, sorted: which of them a tar holds in full is its own business. */
function hardLinkGroups(entries: ReadonlyMap<string, TarEntry>): Map<string, string[]> {
  const members = new Map<string, string[]>()
  for (const [path, { header }] of entries) {
    if (header.type !== 'link') continue
    const target = normal(header.linkname ?? '')
    members.set(target, [...(members.get(target) ?? [target]), path])
  }
  const groups = new Map<string, string[]>()
  for (const group of members.values()) for (const path of group) groups.set(path, [...group].sort())
  return groups
}

function describe({ header, digest }: TarEntry): string {
  const mode = ((header.mode ?? 0) & 0o7777).toString(8).padStart(4, '0')
  const words = [header.type ?? 'file', mode, `${header.uid}:${header.gid}`]
  if (header.type === 'file' || header.type === 'contiguous-file')
    words.push(`${header.size}`, digest.slice(0, 16))
  if (header.type === 'symlink') words[1] = `-> ${header.linkname}`
  if (header.type?.endsWith('-device')) words.push(`${header.devmajor},${header.devminor}`)
  const attributes = Object.entries(header.pax ?? {})
    .filter(([name]) => name.startsWith('SCHILY.xattr.'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [name, value] of attributes)
    words.push(`${name.slice(13)}=${Buffer.from(value).toString('hex')}`)
  return words.join(' ')
}

function normal(name: string): string {
  return posix.resolve('/', name)
}
