import { constants, copyFileSync, linkSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { FileEntry, Job } from '../core/index.ts'
import { type FileOperation, walkTree } from '../native/index.ts'
import type { SnapshotContext } from './context.ts'

type CopyContext = Pick<SnapshotContext, 'helper' | 'session'>

/** Copies a tree exactly: owners, modes, times, hard links, capabilities; blocks are shared where the file system can. */
export async function copyTree(from: string, to: string, context: CopyContext, job: Job): Promise<void> {
  const links = new Map<string, string>()
  const directoryTimes: FileOperation[] = []
  for await (const entries of walkTree(context.helper, from, job)) {
    const attributes: FileOperation[] = []
    for (const entry of entries) {
      const target = join(to, entry.path)
      if (entry.type === 'socket' || isLinkToEarlier(entry, target, links)) continue
      const nodes = makeNode(entry, join(from, entry.path), target)
      if (nodes.length > 0) await context.session.batch(nodes, job)
      attributes.push(...setOwnerAndMode(entry, target, context))
      attributes.push(...attributesOf(entry, target))
      if (entry.type === 'directory') directoryTimes.push(timeOf(entry, target))
    }
    await context.session.batch(attributes, job)
  }
  await context.session.batch(directoryTimes, job)
}

/** Links a file to its first name in this tree, if it has come by before. */
function isLinkToEarlier(entry: FileEntry, to: string, links: Map<string, string>): boolean {
  if (entry.type === 'directory' || entry.nlink < 2) return false
  const inode = `${entry.dev}:${entry.ino}`
  const first = links.get(inode)
  if (first === undefined) links.set(inode, to)
  else linkSync(first, to)
  return first !== undefined
}

/** Makes the file itself; what Node can't make is left to the native session. */
function makeNode(entry: FileEntry, from: string, to: string): readonly FileOperation[] {
  if (entry.type === 'directory') mkdirSync(to, { recursive: true })
  else if (entry.type === 'symlink') symlinkSync(entry.linkTarget ?? '', to)
  else if (entry.type === 'file') copyFileSync(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
  else if (entry.type !== 'socket') {
    return [
      {
        type: 'mknod',
        path: to,
        fileType: entry.type,
        mode: entry.mode,
        major: entry.rdevMajor,
        minor: entry.rdevMinor,
      },
    ]
  }
  return []
}

function setOwnerAndMode(entry: FileEntry, to: string, { session }: CopyContext): readonly FileOperation[] {
  const owner = session.chown(to, entry)
  return entry.type === 'symlink' ? owner : [...owner, ...session.chmod(to, entry.mode)]
}

function attributesOf(entry: FileEntry, to: string): readonly FileOperation[] {
  const capability: readonly FileOperation[] =
    entry.capability === undefined
      ? []
      : [{ type: 'setxattr', path: to, name: 'security.capability', value: entry.capability }]
  return entry.type === 'directory' ? capability : [...capability, timeOf(entry, to)]
}

function timeOf(entry: FileEntry, to: string): FileOperation {
  return { type: 'settimes', path: to, mtimeNs: entry.mtimeNs }
}
