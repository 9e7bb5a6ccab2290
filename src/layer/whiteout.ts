/** What a file name that starts with `.wh.` stands for in a layer (image-spec layer.md#whiteouts). */
export type Whiteout =
  | { readonly type: 'delete'; readonly name: string }
  /** Everything that lower layers have in this directory is hidden. */
  | { readonly type: 'opaque' }
  /** A mark that AUFS kept for itself. */
  | { readonly type: 'ignored' }

export function parseWhiteout(baseName: string): Whiteout | undefined {
  if (!baseName.startsWith('.wh.')) return undefined
  if (baseName === '.wh..wh..opq') return { type: 'opaque' }
  const name = baseName.slice('.wh.'.length)
  return name.startsWith('.wh.') || name === '' || name === '.' || name === '..'
    ? { type: 'ignored' }
    : { type: 'delete', name }
}
