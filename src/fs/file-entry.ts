import { type BigIntStats, lstatSync, readlinkSync } from 'node:fs'
import type { FileEntry, FileType } from '../core/index.ts'

/** The FileEntry of one file, without extended attributes: Node has no call to read them. */
export function readFileEntry(hostPath: string, path: string): FileEntry {
  return fileEntryOf(lstatSync(hostPath, { bigint: true }), hostPath, path)
}

export function fileEntryOf(stats: BigIntStats, hostPath: string, path: string): FileEntry {
  const type = fileTypeOf(stats)
  return {
    path,
    type,
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: type === 'file' ? Number(stats.size) : 0,
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    dev: Number(stats.dev),
    ino: stats.ino,
    nlink: Number(stats.nlink),
    rdevMajor: deviceMajor(stats.rdev),
    rdevMinor: deviceMinor(stats.rdev),
    ...(type === 'symlink' ? { linkTarget: readlinkSync(hostPath) } : {}),
  }
}

function fileTypeOf(stats: BigIntStats): FileType {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  if (stats.isSymbolicLink()) return 'symlink'
  if (stats.isCharacterDevice()) return 'character'
  if (stats.isBlockDevice()) return 'block'
  return stats.isFIFO() ? 'fifo' : 'socket'
}

// glibc's gnu_dev_major and gnu_dev_minor (makedev(3)).
function deviceMajor(device: bigint): number {
  return Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n))
}

function deviceMinor(device: bigint): number {
  return Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n))
}
