/** The kinds of file that a layer can hold (image-spec layer.md#file-types); sockets are never recorded. */
export type FileType = 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo' | 'socket'

/**
 * One file as `lstat` sees it. `path` is relative to the root, without a leading slash; '' is the root itself.
 * Times are nanoseconds since the epoch; `mode` holds the 12 permission bits only; sizes are bytes.
 */
export interface FileEntry {
  readonly path: string
  readonly type: FileType
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly dev: number
  readonly ino: bigint
  readonly nlink: number
  /** Device number of a character or block device. */
  readonly rdevMajor: number
  readonly rdevMinor: number
  /** Target of a symbolic link. */
  readonly linkTarget?: string
  /** Value of the extended attribute `security.capability`, where there is one. */
  readonly capability?: Uint8Array
  /** True where overlayfs marks a directory as opaque (its `user.overlay.opaque` attribute is "y"). */
  readonly opaque?: boolean
}

/** How a file system differs from the one below it. Paths as in FileEntry. */
export type Change =
  | { readonly type: 'upsert'; readonly entry: FileEntry }
  | { readonly type: 'delete'; readonly path: string }
