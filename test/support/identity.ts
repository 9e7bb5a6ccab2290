import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { chmod, chown, cp, mkdir, realpath } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { mustRun } from './command.ts'
import { ordinaryUser } from './ordinary-user.ts'

/** Who runs the program in a test. `uid` and `gid` are absent where that is who runs the tests. */
export interface Identity {
  readonly name: 'root' | 'ordinary user'
  readonly userName: string
  readonly uid?: number
  readonly gid?: number
  /** A Node and a checkout (built) that this user may read. */
  readonly node: string
  readonly program: string
}

const CHECKOUT = new URL('../..', import.meta.url).pathname.replace(/\/$/, '')
const PROGRAM = 'dist/cli/ossb.js'

/** Root and the ordinary user, where the tests run as root; else the user who runs them. */
export async function identities(): Promise<Identity[]> {
  const own = { node: process.execPath, program: join(CHECKOUT, PROGRAM) }
  if (process.getuid?.() !== 0) return [{ name: 'ordinary user', userName: ordinaryUser().name, ...own }]
  const { name: userName, uid, gid } = ordinaryUser()
  const reachable = (path: string): boolean => spawnSync('test', ['-r', path], { uid, gid }).status === 0
  const program = reachable(own.program) ? own.program : join(await copyOfCheckout(), PROGRAM)
  const node = reachable(own.node) ? own.node : await copyOfNode()
  return [
    { name: 'root', userName: 'root', ...own },
    { name: 'ordinary user', userName, uid, gid, node, program },
  ]
}

/** A directory under the system's own temporary one, that everybody may enter and that the end of the tests removes. */
async function openDirectory(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'ossb-e2e-program-'))
  await chmod(directory, 0o755)
  process.on('exit', () => spawnSync('rm', ['-rf', directory]))
  return directory
}

async function copyOfCheckout(): Promise<string> {
  const directory = await openDirectory()
  const listed = await mustRun('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: CHECKOUT })
  const packages = listed.split('\n').filter((path) => path.includes('/node_modules/'))
  const parts = ['dist', 'wasm/build', 'package.json', ...packages.map((path) => relative(CHECKOUT, path))]
  for (const part of parts) {
    await mkdir(join(directory, part, '..'), { recursive: true })
    await cp(join(CHECKOUT, part), join(directory, part), { recursive: true })
  }
  await mustRun('chmod', ['-R', 'a+rX', directory])
  return directory
}

async function copyOfNode(): Promise<string> {
  const node = join(await openDirectory(), 'node')
  await cp(await realpath(process.execPath), node)
  await chmod(node, 0o755)
  return node
}

/** Gives a path to an identity. */
export async function give(path: string, identity: Identity): Promise<void> {
  if (identity.uid !== undefined && identity.gid !== undefined) await chown(path, identity.uid, identity.gid)
}
