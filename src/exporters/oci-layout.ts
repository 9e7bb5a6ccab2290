import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Descriptor, errnoOf, fileSystemError, MEDIA_TYPE, OssbError } from '../core/index.ts'
import { writeFileAtomic } from '../io/index.ts'
import { createOciLayout, type IndexLock, readLayoutIndex, withoutLock } from '../store/index.ts'
import { type Exporter, exportedAs } from './exporter.ts'
import { type ContentOptions, imageContent } from './image-content.ts'
import { createdOf, layoutEntries, mergeLayoutIndex, serializeLayoutIndex } from './layout-index.ts'
import { putContent, unlisted } from './put-content.ts'

export interface OciLayoutOptions extends ContentOptions {
  /** A directory; created where it is missing. */
  readonly dest: string
  readonly names: readonly string[]
  /** Held while index.json changes; `dest` is there then. Absent where nobody else writes to it. */
  readonly lock?: IndexLock
  /** index.json has this image as its only entry, without a name, whatever was in it. */
  readonly single?: boolean
}

/**
 * Writes an OCI layout as a directory, or adds to the one that is there: an image with the same reference name is
 * replaced. Every file appears whole, and index.json is the last one, so that the layout is valid at any moment.
 */
export function createOciLayoutExporter(options: OciLayoutOptions): Exporter {
  const { dest, names, single = false, lock = withoutLock } = options
  return {
    name: 'oci',
    async export(images, job) {
      const content = imageContent(images, options)
      assertLayout(dest)
      const created = createDirectory(join(dest, 'blobs', 'sha256'))
      try {
        await putContent(unlisted(createOciLayout(dest, lock)), content, job)
        const entries = layoutEntries({ ...content, ...createdOf(images), names }, 'latest')
        await lock(() => {
          if (single) writeFileAtomic(join(dest, 'index.json'), singleIndex(content.root))
          else writeIndex(dest, entries)
        }, job)
      } catch (error) {
        if (created !== undefined && isEmpty(dest)) rmSync(created, { recursive: true, force: true })
        throw error
      }
      return {
        ...exportedAs(content),
        outputs: [`oci layout ${dest}`],
      }
    },
  }
}

/** As go-containerregistry writes it: three spaces a level. */
function singleIndex({ mediaType, digest, size }: Descriptor): string {
  const isImage = mediaType === MEDIA_TYPE.ociManifest
  const entry = {
    mediaType,
    size,
    digest,
    ...(isImage ? { artifactType: MEDIA_TYPE.ociConfig } : {}),
  }
  return JSON.stringify(
    { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [entry] },
    undefined,
    3,
  )
}

/** The first directory that had to be created, or undefined when all were there. */
function createDirectory(path: string): string | undefined {
  try {
    return mkdirSync(path, { recursive: true })
  } catch (error) {
    throw fileSystemError(`create the directory "${path}"`, error)
  }
}

/** True while nothing in the layout has a name: another build may have added to the new directory meanwhile. */
function isEmpty(dest: string): boolean {
  return readLayoutIndex(join(dest, 'index.json')).manifests.length === 0
}

function assertLayout(dest: string): void {
  const existing = readIfPresent(join(dest, 'oci-layout'))
  if (existing === undefined || /"imageLayoutVersion"\s*:\s*"1\.0\.0"/.test(existing.toString())) return
  throw new OssbError(
    'ERR_OSSB_OUTPUT',
    `Cannot add to the OCI layout "${dest}": its file oci-layout does not name version 1.0.0`,
    { hint: 'Choose another destination.' },
  )
}

function writeIndex(dest: string, entries: readonly Descriptor[]): void {
  const path = join(dest, 'index.json')
  const existing = readIfPresent(path)
  const merged =
    existing === undefined ? serializeLayoutIndex(entries) : mergeLayoutIndex(existing, entries, `"${path}"`)
  writeFileAtomic(path, merged)
}

function readIfPresent(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw fileSystemError(`read "${path}"`, error)
  }
}
