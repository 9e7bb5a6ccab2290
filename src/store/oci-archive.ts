import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { type Descriptor, digestHex, isDigest, OssbError } from '../core/index.ts'
import { readAll, verified } from '../io/index.ts'
import { MAX_DOCUMENT_BYTES, parseIndex, type Repository } from '../oci/index.ts'
import { type ArchiveMember, readArchiveMembers } from './archive-members.ts'
import { describeDocument } from './oci-layout.ts'

/** An archive that holds an OCI layout, and perhaps other files; it can only be read. */
export interface OciArchive extends Repository {
  /** What index.json names. */
  readonly entries: readonly Descriptor[]
  /** A small file beside the layout; undefined where there is none of this name. */
  file(name: string): Promise<Buffer | undefined>
}

const REF_NAME = 'org.opencontainers.image.ref.name'

/**
 * Opens a tar archive of an OCI layout where it is: content is read from its place in the file, and verified as it is
 * read.
 * @throws OssbError ERR_OSSB_IMAGE_INVALID for what is no such archive
 */
export async function openOciArchive(path: string): Promise<OciArchive> {
  const members = readArchiveMembers(path)
  const memberOf = (content: Descriptor) => members.get(`blobs/sha256/${digestHex(content.digest)}`)
  const file = async (name: string): Promise<Buffer | undefined> => {
    const member = members.get(name)
    return member === undefined ? undefined : await readDocument(path, member, `"${name}" of "${path}"`)
  }
  const index = await file('index.json')
  if (index === undefined)
    throw new OssbError('ERR_OSSB_IMAGE_INVALID', `Cannot read the archive "${path}": it has no index.json`, {
      hint: 'An archive of an OCI layout is wanted.',
    })
  const { manifests: entries } = parseIndex(index, `index.json of "${path}"`)

  const resolve = async (tagOrDigest: string): Promise<Descriptor> => {
    const found = isDigest(tagOrDigest)
      ? entries.find(({ digest }) => digest === tagOrDigest)
      : entries.findLast(({ annotations }) => annotations?.[REF_NAME] === tagOrDigest)
    if (found !== undefined) return found
    const member = isDigest(tagOrDigest) ? members.get(`blobs/sha256/${digestHex(tagOrDigest)}`) : undefined
    if (member === undefined || !isDigest(tagOrDigest) || member.size > MAX_DOCUMENT_BYTES)
      throw missing(tagOrDigest, path)
    const described = describeDocument(await readDocument(path, member, tagOrDigest), tagOrDigest)
    if (described === undefined) throw missing(tagOrDigest, path)
    return described
  }

  const refuse = (): Promise<never> =>
    Promise.reject(new OssbError('ERR_OSSB_INTERNAL', `Cannot write to the archive "${path}"`))

  return {
    entries,
    file,
    resolve,
    has: (content) => Promise.resolve(memberOf(content)?.size === content.size),
    open: (content) => {
      const member = memberOf(content)
      if (member === undefined) return Promise.reject(missing(content.digest, path))
      const chunks = verified(contentOf(path, member), content, `"${path}"`)
      return Promise.resolve(Readable.from(chunks, { objectMode: false }))
    },
    put: refuse,
    tag: refuse,
  }
}

/** Opened when it is read: what nobody reads must not stay open. */
async function* contentOf(path: string, { offset, size }: ArchiveMember): AsyncGenerator<Uint8Array> {
  if (size === 0) return
  const range = { start: offset, end: offset + size - 1, highWaterMark: 1024 * 1024 }
  for await (const chunk of createReadStream(path, range)) yield chunk as Uint8Array
}

async function readDocument(path: string, member: ArchiveMember, what: string): Promise<Buffer> {
  return await readAll(contentOf(path, member), MAX_DOCUMENT_BYTES, what)
}

function missing(what: string, path: string): OssbError {
  return new OssbError('ERR_OSSB_NOT_FOUND', `Cannot find "${what}" in the archive "${path}"`)
}
