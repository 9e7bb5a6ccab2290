import type { TarHeader } from '../../src/layer/index.ts'

/** A tar header with everything that a test does not care for filled in. */
export function tarHeader(fields: Partial<TarHeader>): TarHeader {
  return {
    path: 'file',
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtimeNs: 0n,
    linkTarget: '',
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
    ...fields,
  }
}
