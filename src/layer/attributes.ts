import type { FileOperation } from '../native/index.ts'
import type { TarHeader } from './tar-header.ts'

/**
 * What sets the attributes of an entry. File capabilities are part of what a file is. `user.` attributes are kept where
 * the file system has them; overlayfs and we keep our own marks under that name, and an image must not be able to forge
 * one.
 */
export function attributesOf(path: string, { xattrs }: TarHeader): readonly FileOperation[] {
  if (xattrs.size === 0) return NONE
  return [...xattrs].flatMap(([name, value]): readonly FileOperation[] => {
    if (name === 'security.capability') return [{ type: 'setxattr', path, name, value }]
    const isKept = name.startsWith('user.') && !/^user\.(overlay|ossb)\./.test(name)
    return isKept ? [{ type: 'setxattr', path, name, value, optional: true }] : NONE
  })
}

const NONE: readonly FileOperation[] = []
