import type { Readable } from 'node:stream'
import { type Descriptor, MEDIA_TYPE, OssbError } from '../core/index.ts'
import { verifiedStream } from '../io/index.ts'
import {
  blobPath,
  type ImageIndex,
  type ImageSource,
  MAX_DOCUMENT_BYTES,
  parseIndex,
  type ReferrerSource,
} from '../oci/index.ts'
import { type LayoutContent, resolveInLayout } from './layout-content.ts'
import { layoutReferrers } from './layout-referrers.ts'

/** The files of an archive, by their paths in it. */
export interface ArchiveFiles {
  /** As the archive is called in messages. */
  readonly where: string
  /** Bytes; undefined for what is not there. */
  size(path: string): number | undefined
  /** The whole of a small file, or its first bytes; undefined for what is not there. */
  read(path: string, limit?: number): Buffer | undefined
  open(path: string): Readable
}

/** An OCI layout in an archive (image-spec image-layout.md), read where it lies. */
export function createArchiveLayout(files: ArchiveFiles): ImageSource & ReferrerSource {
  const content = archiveContent(files)
  return {
    has: (wanted) => Promise.resolve(files.size(blobPath(wanted.digest)) === wanted.size),
    open: async (wanted) => openMember(files, blobPath(wanted.digest), wanted),
    resolve: async (name) => resolveInLayout(content, name),
    referrers: async (subject, _job, options = {}) => layoutReferrers(content, { ...options, subject }),
  }
}

/** True for an archive that is a layout, or has one beside what else is in it. */
export function hasLayout(files: ArchiveFiles): boolean {
  return files.size('index.json') !== undefined && files.size('oci-layout') !== undefined
}

export function archiveContent(files: ArchiveFiles): LayoutContent {
  return {
    where: files.where,
    index: () => readIndex(files),
    document: (digest) => {
      const name = blobPath(digest)
      return (files.size(name) ?? Number.POSITIVE_INFINITY) > MAX_DOCUMENT_BYTES
        ? undefined
        : files.read(name)
    },
  }
}

function readIndex(files: ArchiveFiles): ImageIndex {
  const bytes = files.read('index.json', MAX_DOCUMENT_BYTES)
  return bytes === undefined
    ? { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [] }
    : parseIndex(bytes, `index.json of "${files.where}"`)
}

/** @throws OssbError ERR_OSSB_NOT_FOUND */
export function openMember(files: ArchiveFiles, path: string, wanted: Descriptor): Readable {
  if (files.size(path) === undefined)
    throw new OssbError('ERR_OSSB_NOT_FOUND', `Cannot find "${wanted.digest}" in "${files.where}"`)
  return verifiedStream(files.open(path), wanted, `"${files.where}"`)
}
