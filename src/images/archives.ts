import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errnoOf, fileSystemError, type ImageFileType, type Job, OssbError } from '../core/index.ts'
import { openRandomFile, type RandomFile, writeStreamAtomic } from '../io/index.ts'
import { indexTar, type TarMember } from '../layer/index.ts'
import { type ImageSource, MAX_DOCUMENT_BYTES, type ReferrerSource } from '../oci/index.ts'
import { type ArchiveFiles, createArchiveLayout, createDockerArchive } from '../store/index.ts'

type ArchiveType = Exclude<ImageFileType, 'oci'>

export interface ImageArchive extends ImageSource, ReferrerSource, Disposable {
  /** A small file of the archive itself; undefined where there is none of this name. */
  file(path: string): Buffer | undefined
}

/**
 * The images of an archive, read where they lie. One that is compressed as a whole is decompressed once, into a
 * temporary file without a name.
 * @throws OssbError ERR_OSSB_NOT_FOUND; ERR_OSSB_IMAGE_INVALID for what is no such archive
 */
export async function openArchive(type: ArchiveType, path: string, job: Job): Promise<ImageArchive> {
  const file = await openPlain(path, job)
  try {
    const files = archiveFiles(file, path)
    if (type === 'oci-archive' && files.size('index.json') === undefined)
      throw invalid(
        path,
        `it has no index.json`,
        `For an archive of "docker save" write docker-archive:${path}.`,
      )
    const source = type === 'oci-archive' ? createArchiveLayout(files) : createDockerArchive(files)
    return {
      ...source,
      file: (name) => files.read(name, MAX_DOCUMENT_BYTES),
      [Symbol.dispose]: () => file[Symbol.dispose](),
    }
  } catch (error) {
    file[Symbol.dispose]()
    throw error
  }
}

/** Archives that are opened once, however often they are named. */
export interface Archives extends AsyncDisposable {
  open(type: ArchiveType, path: string, job: Job): Promise<ImageSource>
}

export function createArchives(): Archives {
  const opened = new Map<string, ReturnType<typeof openArchive>>()
  return {
    open(type, path, job) {
      const key = `${type}:${path}`
      const known = opened.get(key)
      if (known !== undefined) return known
      const opening = openArchive(type, path, job)
      opened.set(key, opening)
      // An archive may be there at the next try.
      opening.catch(() => opened.delete(key))
      return opening
    },
    async [Symbol.asyncDispose]() {
      for (const one of await Promise.allSettled(opened.values()))
        if (one.status === 'fulfilled') one.value[Symbol.dispose]()
    },
  }
}

function invalid(path: string, why: string, hint?: string): OssbError {
  return new OssbError(
    'ERR_OSSB_IMAGE_INVALID',
    `Cannot read "${path}" as an image archive: ${why}`,
    hint === undefined ? {} : { hint },
  )
}

function archiveFiles(file: RandomFile, path: string): ArchiveFiles {
  const members = indexMembers(file, path)
  return {
    where: path,
    size: (name) => members.get(name)?.size,
    read: (name, limit = Number.POSITIVE_INFINITY) => {
      const member = members.get(name)
      return member === undefined ? undefined : file.read(member.offset, Math.min(member.size, limit))
    },
    open: (name) => {
      const member = members.get(name) ?? { offset: 0, size: 0 }
      return file.stream(member.offset, member.size)
    },
  }
}

function indexMembers(file: RandomFile, path: string): ReadonlyMap<string, TarMember> {
  try {
    return indexTar(file)
  } catch (error) {
    throw error instanceof OssbError
      ? invalid(path, error.message.replace(/^Cannot read the tar archive: /, ''))
      : error
  }
}

async function openPlain(path: string, job: Job): Promise<RandomFile> {
  const file = openFile(path)
  const head = file.read(0, 6)
  const isPlain = !/^(?:\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd)/.test(head.toString('latin1'))
  if (isPlain) return file
  file[Symbol.dispose]()
  return await decompressed(path, job)
}

function openFile(path: string): RandomFile {
  try {
    return openRandomFile(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT')
      throw new OssbError('ERR_OSSB_NOT_FOUND', `Cannot find the archive "${path}": there is no such file`)
    throw fileSystemError(`read the archive "${path}"`, error)
  }
}

/** A stream can't be read at any place: its content is written to a file that goes away with this process. */
async function decompressed(path: string, job: Job): Promise<RandomFile> {
  const [{ createCodec }, { openArchive: openStream }] = await Promise.all([
    import('../codec/index.ts'),
    import('../layer/index.ts'),
  ])
  await using codec = createCodec({ workers: 0 })
  const temporary = join(tmpdir(), `ossb-archive-${randomBytes(8).toString('hex')}`)
  return await writeStreamAtomic(
    temporary,
    openStream(path, codec),
    (written) => {
      const file = openRandomFile(written)
      rmSync(written)
      return file
    },
    job,
    { mode: 0o600 },
  )
}
