import { readdir, readFile, readlink } from 'node:fs/promises'

const NAMESPACES = ['mnt', 'pid', 'ipc', 'uts', 'cgroup', 'net', 'user'] as const

/** Numbers of all processes that this one can see. */
async function processes(): Promise<readonly number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
}

const read = (pid: number, name: string): Promise<string> =>
  readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')

export const commandOf = async (pid: number): Promise<string> =>
  (await read(pid, 'cmdline')).replaceAll('\0', ' ').trim()

/** Those that have a text among their arguments. */
export async function processesWith(text: string): Promise<readonly number[]> {
  const found: number[] = []
  for (const pid of await processes()) if ((await read(pid, 'cmdline')).includes(text)) found.push(pid)
  return found
}

/** A process, the one that started it, and so on, up to `last`. */
export async function ancestry(pid: number, last: number): Promise<readonly number[]> {
  const parent = Number(/^PPid:\s*(\d+)$/m.exec(await read(pid, 'status'))?.[1] ?? 0)
  return pid === last || parent === 0 ? [pid] : [pid, ...(await ancestry(parent, last))]
}

async function namespacesOf(pid: number): Promise<readonly string[]> {
  const links = NAMESPACES.map((name) => readlink(`/proc/${pid}/ns/${name}`).catch(() => ''))
  return (await Promise.all(links)).filter((link) => link !== '')
}

/** The namespaces of a process ("mnt:[4026531841]") that are not those of this one. */
export async function ownNamespaces(pid: number): Promise<readonly string[]> {
  const here = new Set(await namespacesOf(process.pid))
  return (await namespacesOf(pid)).filter((link) => !here.has(link))
}

/** What still holds one of these namespaces: processes in it, and mounts that keep it. */
export async function holdersOf(namespaces: readonly string[]): Promise<readonly string[]> {
  const held: string[] = []
  for (const pid of await processes())
    for (const link of await namespacesOf(pid))
      if (namespaces.includes(link)) held.push(`${link} by ${pid}: ${await commandOf(pid)}`)
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  return [...held, ...mounts.filter((line) => namespaces.some((link) => line.includes(link)))]
}
