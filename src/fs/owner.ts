import { readFileSync } from 'node:fs'
import { OssbError } from '../core/index.ts'
import { lstatIfPresent, resolveInRoot } from './resolve-in-root.ts'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** A user as a process has it: ids, groups and where its home is. */
export interface ProcessUser extends Owner {
  /** Supplementary groups; the first is `gid`, so that a process cannot shed it by changing its group. */
  readonly groups: readonly number[]
  readonly home: string
}

interface PasswdEntry extends Owner {
  readonly name: string
  readonly home: string
}

interface GroupEntry {
  readonly name: string
  readonly gid: number
  readonly members: readonly string[]
}

/**
 * The user that `spec` names (`name|uid[:group|gid]`, "" is root), from the root's own /etc/passwd and /etc/group.
 * A number without an entry is taken as it is, with group 0.
 * @throws OssbError ERR_OSSB_NOT_FOUND for a name without an entry
 */
export function lookupUser(root: string, spec: string): ProcessUser {
  const [userSpec = '', groupSpec] = splitOwner(spec === '' ? '0' : spec)
  const passwd = readPasswd(root)
  const id = numericId(userSpec)
  const entry = passwd.find((user) => (id === undefined ? user.name === userSpec : user.uid === id))
  if (entry === undefined && id === undefined) {
    throw new OssbError(
      'ERR_OSSB_NOT_FOUND',
      `unable to find user ${userSpec}: no matching entries in passwd file`,
      {
        hint: `Create the user first (RUN useradd ${userSpec}), or name it by number.`,
      },
    )
  }
  const uid = id ?? entry?.uid ?? 0
  const home = entry?.home || '/'
  if (groupSpec !== undefined) {
    const gid = lookupGroup(root, groupSpec)
    return { uid, gid, groups: [gid], home }
  }
  const gid = entry?.gid ?? 0
  const others = entry === undefined ? [] : groupsOf(root, entry.name)
  return { uid, gid, groups: [...new Set([gid, ...others])], home }
}

function groupsOf(root: string, user: string): number[] {
  return readGroups(root)
    .filter((group) => group.members.includes(user))
    .map((group) => group.gid)
}

function lookupGroup(root: string, spec: string): number {
  const gid = numericId(spec) ?? readGroups(root).find((group) => group.name === spec)?.gid
  if (gid !== undefined) return gid
  throw new OssbError(
    'ERR_OSSB_NOT_FOUND',
    `unable to find group ${spec}: no matching entries in group file`,
    {
      hint: `Create the group first (RUN groupadd ${spec}), or name it by number.`,
    },
  )
}

/**
 * The owner that `--chown` names: names are looked up in the root, an unknown name is 0, a number alone is user
 * and group, and ":group" leaves the user at 0 (as BuildKit does).
 */
export function lookupOwner(root: string, spec: string): Owner {
  const [userSpec = '', groupSpec] = splitOwner(spec)
  const id = ownId(userSpec)
  const entry = id === undefined ? readPasswd(root).find((user) => user.name === userSpec) : undefined
  const uid = id ?? entry?.uid ?? 0
  if (groupSpec === undefined) return { uid, gid: id ?? entry?.gid ?? 0 }
  const gid = ownId(groupSpec) ?? readGroups(root).find((group) => group.name === groupSpec)?.gid ?? 0
  return { uid, gid }
}

/** Whether the files of a root say what an owner of --chown is: it has a name that is not "root". */
export function isOwnerByName(spec: string): boolean {
  return splitOwner(spec).some((part) => ownId(part) === undefined)
}

/** The id of what needs no look into a file. */
function ownId(part: string): number | undefined {
  return part === '' || part === 'root' ? 0 : numericId(part)
}

function splitOwner(spec: string): readonly string[] {
  const colon = spec.indexOf(':')
  return colon === -1 ? [spec] : [spec.slice(0, colon), spec.slice(colon + 1)]
}

function numericId(text: string): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined
  const id = Number(text)
  if (id <= 0xffff_fffe) return id
  throw new OssbError(
    'ERR_OSSB_USAGE',
    `Cannot use "${text}" as a user or group id: it is larger than 4294967294`,
  )
}

function readPasswd(root: string): readonly PasswdEntry[] {
  return readFields(root, '/etc/passwd').flatMap(([name = '', , uid = '', gid = '', , home = '']) =>
    /^\d+$/.test(uid) && /^\d+$/.test(gid) ? [{ name, uid: Number(uid), gid: Number(gid), home }] : [],
  )
}

function readGroups(root: string): readonly GroupEntry[] {
  return readFields(root, '/etc/group').flatMap(([name = '', , gid = '', members = '']) =>
    /^\d+$/.test(gid) ? [{ name, gid: Number(gid), members: members.split(',') }] : [],
  )
}

function readFields(root: string, path: string): readonly string[][] {
  const host = resolveInRoot(root, path, { last: 'follow' })
  // An image may put anything there: reading a fifo would never end.
  if (lstatIfPresent(host)?.isFile() !== true) return []
  return readFileSync(host, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(':'))
}
