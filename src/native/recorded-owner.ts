import { readFileSync } from 'node:fs'
import type { FileEntry } from '../core/index.ts'

/**
 * Whether this process is root of a user namespace that has one id (user_namespaces(7)): then chown can give a file to
 * nobody, and owners are recorded beside the files instead (c/owner.h).
 */
export function hasOneId(): boolean {
  const lines = readFileSync('/proc/self/uid_map', 'utf8').trim().split('\n')
  return lines.length === 1 && lines[0]?.trim().split(/\s+/)[2] === '1'
}

const NO_MODE = 0xffffffff

/** Owner, mode and kind of a file as recorded (c/fsop.c, do_get_owner) in the place of what the file system says. */
export function withRecordedOwner(entry: FileEntry, value: Buffer): FileEntry {
  const [uid = 0, gid = 0, device = 0, rdevMajor = 0, rdevMinor = 0, recorded = NO_MODE] = [
    0, 4, 8, 12, 16, 20,
  ].map((at) => value.readUInt32LE(at))
  const letter = String.fromCharCode(device)
  const mode = recorded === NO_MODE ? entry.mode : recorded
  if (letter !== 'c' && letter !== 'b') return { ...entry, mode, uid, gid }
  return { ...entry, mode, uid, gid, type: letter === 'c' ? 'character' : 'block', rdevMajor, rdevMinor }
}
