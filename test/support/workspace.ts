import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  type CommandOptions,
  type CommandResult,
  mustRun,
  mustRunAsRoot,
  type RunningCommand,
  startCommand,
} from './command.ts'
import { give, type Identity } from './identity.ts'

/** A directory of one identity with a home, a temporary directory and a cache of its own, and `ossb` run in it. */
export interface Workspace extends AsyncDisposable {
  readonly path: string
  readonly identity: Identity
  /** A number of this workspace alone: an argument of `sleep` by which what a step leaves running is found. */
  readonly token: string
  /** Where `name` is, inside the workspace. */
  file(name: string): string
  /** Writes files (and their directories) as the identity's own. */
  write(files: Readonly<Record<string, string | Uint8Array>>): Promise<void>
  /** Makes a directory, has it filled, and gives all of it to the identity. */
  fill(name: string, fill: (directory: string) => Promise<void>): Promise<void>
  /** What a login as the identity gives, and nothing that belongs to whoever runs the tests. */
  environment(more?: Readonly<Record<string, string>>): NodeJS.ProcessEnv
  ossb(args: readonly string[], options?: OssbOptions): Promise<CommandResult>
  startOssb(args: readonly string[], options?: OssbOptions): RunningCommand
  /** The program in the place of kaniko's `executor`. */
  executor(args: readonly string[], options?: OssbOptions): Promise<CommandResult>
  warmer(args: readonly string[], options?: OssbOptions): Promise<CommandResult>
  /** `ossb` that has to succeed; its standard output and standard error. */
  mustOssb(args: readonly string[], options?: OssbOptions): Promise<CommandResult>
  /** Processes (also those with the token among their arguments), mounts and temporary files that should be gone. */
  leftovers(): Promise<string[]>
}

export interface OssbOptions extends Pick<CommandOptions, 'timeout' | 'input'> {
  readonly env?: Readonly<Record<string, string>>
}

export async function createWorkspace(identity: Identity): Promise<Workspace> {
  const path = await mkdtemp(join(await realpath(tmpdir()), 'ossb-e2e-'))
  await give(path, identity)
  const token = String(randomInt(1e9, 1e10))
  const file = (name: string): string => join(path, name)
  for (const name of ['home', 'tmp']) {
    await mkdir(file(name))
    await give(file(name), identity)
  }
  const start = (program: string, args: readonly string[], options: OssbOptions = {}): RunningCommand =>
    startCommand(identity.node, [program, ...args], {
      ...commandOptions(identity, path),
      ...options,
      env: environment(identity, path, options.env),
    })
  const startOssb = (args: readonly string[], options?: OssbOptions): RunningCommand =>
    start(identity.program, args, options)
  const ossb = (args: readonly string[], options?: OssbOptions): Promise<CommandResult> =>
    startOssb(args, options).done
  return {
    path,
    identity,
    token,
    file,
    write: (files) => writeFiles(path, files, identity),
    fill: async (name, fill) => {
      await mkdir(file(name))
      await fill(file(name))
      if (identity.uid !== undefined)
        await mustRun('chown', ['-R', `${identity.uid}:${identity.gid}`, file(name)])
    },
    environment: (more) => environment(identity, path, more),
    startOssb,
    ossb,
    executor: (args, options) => start(programOf(identity, 'executor'), args, options).done,
    warmer: (args, options) => start(programOf(identity, 'warmer'), args, options).done,
    mustOssb: async (args, options) => {
      const result = await ossb(args, options)
      if (result.status === 0) return result
      throw new Error(
        `ossb ${args.join(' ')}\nended with ${result.status ?? result.signal}:\n${result.stdout}${result.stderr}`,
      )
    },
    leftovers: async () => [
      ...(await leftProcesses(path, token)),
      ...(await leftMounts(path)),
      ...(await leftFiles(path)),
    ],
    [Symbol.asyncDispose]: async () => {
      await mustRunAsRoot('rm', ['-rf', path])
    },
  }
}

/** Another program of the package. */
export function programOf({ program }: Identity, name: 'executor' | 'warmer'): string {
  return join(dirname(program), `${name}.js`)
}

function commandOptions(identity: Identity, cwd: string): CommandOptions {
  const { uid, gid } = identity
  return { cwd, ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) }
}

function environment(
  identity: Identity,
  path: string,
  more: Readonly<Record<string, string>> = {},
): NodeJS.ProcessEnv {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: join(path, 'home'),
    USER: identity.userName,
    LOGNAME: identity.userName,
    LANG: 'C.UTF-8',
    TMPDIR: join(path, 'tmp'),
    XDG_CACHE_HOME: path,
    NO_COLOR: '1',
    ...more,
  }
}

async function writeFiles(
  root: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  identity: Identity,
): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const file = join(root, name)
    const made = await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
    await give(file, identity)
    if (made === undefined) continue
    for (let folder = dirname(file); folder.length >= made.length; folder = dirname(folder))
      await give(folder, identity)
  }
}

/** Processes that work for this workspace: it is in their environment or arguments, or `token` is in their arguments. */
async function leftProcesses(path: string, token: string): Promise<string[]> {
  const left: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const read = (name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')
    const [environ, cmdline] = [await read('environ'), await read('cmdline')]
    if (Number(pid) === process.pid) continue
    if (environ.includes(path) || cmdline.includes(path) || cmdline.includes(token))
      left.push(`process ${pid}: ${cmdline.replaceAll('\0', ' ')}`)
  }
  return left
}

async function leftMounts(path: string): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  return lines
    .filter((line) => line.includes(`${path}/`) && !line.includes(`${path}/disk`))
    .map((line) => `mount ${line}`)
}

/** What may be in a cache directory when no build runs. */
const COMPLETE =
  /^$|^(oci-layout|index\.json|index\.json\.lock|lock|tally\.json(\.lock)?|blobs|steps|snapshots|downloads|mounts|work|compressed|blobs\/sha256)$|^compressed\/[0-9a-f]{64}\.json$|^blobs\/sha256\/[0-9a-f]{64}$|^steps\/[0-9a-f]{64}\.json$|^downloads\/[0-9a-f]{64}(\.json)?$|^snapshots\/[0-9a-f]{64}(\.recorded|\.traced)?(\/|$)|^mounts\//

/** Files in the temporary directory and unfinished ones in the cache. */
async function leftFiles(path: string): Promise<string[]> {
  const find = async (directory: string): Promise<string[]> =>
    existsSync(directory)
      ? (await mustRunAsRoot('find', [directory, '-maxdepth', '3', '-printf', '%P\\n'])).split('\n')
      : []
  const cache = (await find(join(path, 'ossb'))).filter((name) => !COMPLETE.test(name))
  const temporary = (await find(join(path, 'tmp'))).filter((name) => name !== '')
  return [
    ...cache.map((name) => `file in the cache: ${name}`),
    ...temporary.map((name) => `temporary file: ${name}`),
  ]
}
