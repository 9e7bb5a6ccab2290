import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Descriptor,
  fileSystemError,
  formatReference,
  isDigest,
  OssbError,
  parseReference,
} from '../core/index.ts'
import type { Repository } from '../oci/index.ts'
import { createIndexLock, createOciLayout, type IndexLock } from '../store/index.ts'
import { type DestinationParts, notAName, type OpenDestination } from './place.ts'

const NOTHING_TO_RELEASE = { [Symbol.asyncDispose]: () => Promise.resolve() }

/** @throws OssbError ERR_OSSB_USAGE for a place that can't be written to */
export async function openDestination(parts: DestinationParts): Promise<OpenDestination> {
  const { location, options, places, mountFrom } = parts
  switch (location.type) {
    case 'registry': {
      const { reference } = location
      if (reference.digest !== undefined) throw notAName(location.text)
      const repository = (await places.registry()).repository(reference, { mountFrom })
      const tags = [reference.tag ?? 'latest', ...options.tags]
      return named(repository, tags, (tag) => formatReference({ ...reference, tag }))
    }
    case 'cache': {
      if (isDigest(location.name) || location.name.includes('@')) throw notAName(location.text)
      const reference = parseReference(location.name)
      makeDirectory(options.cacheDir, 0o700)
      const cache = await places.cache()
      const names = [location.name, ...options.tags.map((tag) => formatReference({ ...reference, tag }))]
      return named(
        createOciLayout(cache.root, cache.lock),
        names.map((name) => formatReference(parseReference(name))),
        (name) => `cache:${name}`,
      )
    }
    case 'oci': {
      if (location.name.startsWith('@') || isDigest(location.name)) throw notAName(location.text)
      assertLayout(location.path)
      const names = [location.name === '' ? 'latest' : location.name, ...options.tags]
      // The lock is on the directory, where nothing of it is left.
      const lock: IndexLock = async (task, job) =>
        await createIndexLock(await places.session(), location.path)(task, job)
      return named(createOciLayout(location.path, lock), names, (name) => `oci:${location.path}:${name}`)
    }
    case 'oci-archive':
    case 'docker-archive':
      // Not loaded where no archive is written.
      return await (await import('./archive-destination.ts')).openArchiveDestination(location, parts)
    default:
      return location satisfies never
  }
}

function named(
  repository: Repository,
  names: readonly string[],
  describe: (name: string) => string,
): OpenDestination {
  return {
    ...NOTHING_TO_RELEASE,
    repository,
    async name({ mediaType, digest, size }: Descriptor, job) {
      const wanted = [...new Set(names)]
      for (const name of wanted) await repository.tag({ mediaType, digest, size }, name, job)
      return wanted.map(describe)
    },
  }
}

function makeDirectory(path: string, mode?: number): void {
  try {
    mkdirSync(path, { recursive: true, ...(mode === undefined ? {} : { mode }) })
  } catch (error) {
    throw fileSystemError(`make the directory "${path}"`, error)
  }
}

function assertLayout(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats !== undefined && !stats.isDirectory())
    throw new OssbError('ERR_OSSB_OUTPUT', `Cannot write an OCI layout to "${path}": it is not a directory`)
  const mark = join(path, 'oci-layout')
  if (!existsSync(mark) || /"imageLayoutVersion"\s*:\s*"1\.0\.0"/.test(readFileSync(mark, 'utf8'))) return
  throw new OssbError(
    'ERR_OSSB_OUTPUT',
    `Cannot add to the OCI layout "${path}": its file oci-layout does not name version 1.0.0`,
  )
}
