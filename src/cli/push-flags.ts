import type { BuildOptions } from '../index.ts'
import type { PushFlags } from './option-table.ts'
import { parseSize } from './size.ts'

/** What the flags say of pushes; what they do not say is absent. */
export function pushOptions(flags: PushFlags): Pick<BuildOptions, 'chunkBytes' | 'ignoreImmutableTags'> {
  const size = flags['upload-chunk-size']
  return {
    ...(size === undefined ? {} : { chunkBytes: parseSize('upload-chunk-size', size) }),
    ...(flags['push-ignore-immutable-tag-errors'] ? { ignoreImmutableTags: true } : {}),
  }
}
