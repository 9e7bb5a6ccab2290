import { access, constants, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { BuildResult } from '../index.ts'
import { OssbError } from '../index.ts'
import type { BuildRequest } from './build-options.ts'

type ResultFiles = Pick<BuildRequest, 'imageIdFile' | 'metadataFile' | 'profileFile'>

/**
 * Before the build: the directories can be written to, and no image ID of an earlier build is left to be mistaken
 * for that of this one.
 */
export async function prepareResultFiles(files: ResultFiles): Promise<void> {
  for (const path of [files.imageIdFile, files.metadataFile, files.profileFile])
    if (path !== undefined) await assertWritable(path)
  if (files.imageIdFile !== undefined) await rm(files.imageIdFile, { force: true })
}

/** @throws OssbError ERR_OSSB_OUTPUT where no file can be made in the directory of `path` */
export async function assertWritable(path: string): Promise<void> {
  await access(dirname(resolve(path)), constants.W_OK).catch((error: unknown) => {
    throw writeError(path, error)
  })
}

/** After a good build. Each file is there whole or not at all. */
export async function writeResultFiles(files: ResultFiles, result: BuildResult): Promise<void> {
  if (files.imageIdFile !== undefined) await writeWhole(files.imageIdFile, imageIdOf(result))
  if (files.metadataFile !== undefined) await writeWhole(files.metadataFile, metadataOf(result))
}

/** The digest of the config, as Docker names images; that of the index where there are several. */
export function imageIdOf({ configDigest, descriptor }: BuildResult): string {
  return configDigest ?? descriptor.digest
}

/** The facts that `docker buildx build --metadata-file` writes about an image, in the same form. */
function metadataOf({ configDigest, descriptor, names }: BuildResult): string {
  const metadata = {
    ...(configDigest === undefined ? {} : { 'containerimage.config.digest': configDigest }),
    'containerimage.descriptor': sortKeys(descriptor),
    'containerimage.digest': descriptor.digest,
    ...(names.length === 0 ? {} : { 'image.name': names.join(',') }),
  }
  return `${JSON.stringify(metadata, undefined, 2)}\n`
}

function sortKeys(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sortKeys(member)]),
  )
}

/** Writes a file that is there whole or not at all. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.ossb-${crypto.randomUUID()}`
  try {
    await writeFile(temporary, text, { flag: 'wx' })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw writeError(path, error)
  }
}

function writeError(path: string, error: unknown): OssbError {
  const reason = error instanceof Error ? error.message : String(error)
  return new OssbError('ERR_OSSB_OUTPUT', `Cannot write "${path}": ${reason}`, { cause: error })
}
