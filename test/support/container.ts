import { mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { miniBase } from './base-image.ts'
import { type CommandResult, mustRun, type RunningCommand, runCommand, startCommand } from './command.ts'
import { identities } from './identity.ts'

/** A Docker daemon of the tests' own, with one image: a small system, Node, and the built program, both read-only. */
export interface Docker extends AsyncDisposable {
  /** Runs a command in a new container as Docker makes it by default. */
  run(command: readonly string[], options?: ContainerOptions): Promise<CommandResult>
  start(command: readonly string[], options?: ContainerOptions): RunningCommand
  /** The standard output of a command of Docker's client that has to succeed. */
  client(args: readonly string[]): Promise<string>
  /** Standard output and standard error of `ossb` that has to succeed. */
  mustOssb(args: readonly string[], options?: ContainerOptions): Promise<CommandResult>
}

export interface ContainerOptions {
  /** Another image than that of the tests; nothing of this machine is in its containers but the volumes. */
  readonly image?: string
  /** "0" where absent; a number, which has no entry in the container's /etc/passwd. */
  readonly user?: '0' | '1000'
  /** Directories of this machine, each shown writable under the same path. */
  readonly volumes?: readonly string[]
  /** The first of the volumes where absent, or "/". */
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** More options of `docker run`: `--read-only`, `--shm-size=64m`, `--cap-drop`. */
  readonly options?: readonly string[]
  readonly timeout?: number
}

/** Only root can run the daemon: the suite of an ordinary user tests what needs no container. */
export const canRunContainers = userInfo().uid === 0

/** Inside a container: the program, to be given to `node`. */
export const PROGRAM_IN_CONTAINER = '/ossb/dist/cli/ossb.js'

const IMAGE = 'ossb-test:1'

/** Starts the daemon, which has no network of its own: containers have the machine's. */
export async function startDocker(): Promise<Docker> {
  const directory = await mkdtemp(join(await realpath(tmpdir()), 'ossb-docker-'))
  const daemon = startDaemon(directory)
  const docker = ['-H', `unix://${directory}/docker.sock`]
  const stop = async (): Promise<void> => {
    await stopDaemon(directory, daemon)
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await daemon.waitFor(/API listen on/)
    await importImage(directory, docker)
    const mounts = await programMounts()
    const start: Docker['start'] = (command, options = {}) =>
      startCommand(
        'docker',
        [...docker, ...runArguments(options, mounts), ...command],
        options.timeout === undefined ? {} : { timeout: options.timeout },
      )
    const run: Docker['run'] = (command, options) => start(command, options).done
    return {
      start,
      run,
      client: (args) => mustRun('docker', [...docker, ...args]),
      mustOssb: (args, options) => mustOssb(run, args, options),
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function startDaemon(directory: string): RunningCommand {
  const options = {
    'data-root': join(directory, 'data'),
    'exec-root': join(directory, 'exec'),
    pidfile: join(directory, 'pid'),
    host: `unix://${directory}/docker.sock`,
    'storage-driver': 'vfs',
    bridge: 'none',
    iptables: 'false',
    ip6tables: 'false',
  }
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
  return startCommand('dockerd', args, { timeout: 0 })
}

/** Its containerd goes with it. */
async function stopDaemon(directory: string, daemon: RunningCommand): Promise<void> {
  const pid = await readFile(join(directory, 'pid'), 'utf8').catch(() => undefined)
  if (pid === undefined) daemon.child.kill('SIGKILL')
  else process.kill(Number(pid), 'SIGTERM')
  await daemon.done
  // It leaves its network namespace mounted.
  await runCommand('umount', [join(directory, 'exec/netns/default')])
}

/** The system of `miniBase`, and the libraries that Node is linked with. */
async function importImage(directory: string, docker: readonly string[]): Promise<void> {
  const root = join(directory, 'root')
  await mkdir(root)
  const script = `tar -xzf "$1" -C "$2"; mkdir -p "$2/usr/local/bin" "$2/ossb"
    ldd "$3" | sed -n 's|[^/]*\\(/[^ ]*\\) (0x.*|\\1|p' | tar -chP --files-from=- | tar -xC "$2"
    tar -C "$2" -c . | docker "$4" "$5" import - "$6"`
  const layer = await onlyLayer(await miniBase())
  await mustRun('sh', ['-euc', script, 'sh', layer, root, process.execPath, ...docker, IMAGE])
  await rm(root, { recursive: true })
}

/** The file of the one layer of the one image in an OCI layout. */
async function onlyLayer(layout: string): Promise<string> {
  const read = async (path: string) => JSON.parse(await readFile(path, 'utf8'))
  const blob = ({ digest }: { readonly digest: string }) => join(layout, 'blobs', digest.replace(':', '/'))
  const index = await read(join(layout, 'index.json'))
  const manifest = await read(blob(index.manifests[0]))
  return blob(manifest.layers[0])
}

/** A Node and a checkout that any user can read. */
async function programMounts(): Promise<readonly string[]> {
  const readable = (await identities()).find(({ name }) => name === 'ordinary user')
  if (readable === undefined) throw new Error('there is no ordinary user')
  const checkout = dirname(dirname(dirname(readable.program)))
  return ['-v', `${await realpath(readable.node)}:/usr/local/bin/node:ro`, '-v', `${checkout}:/ossb:ro`]
}

function runArguments(
  { image, user = '0', volumes = [], cwd = volumes[0] ?? '/', env = {}, options = [] }: ContainerOptions,
  mounts: readonly string[],
): readonly string[] {
  return [
    'run',
    '--rm',
    '--network=host',
    `--user=${user}`,
    `--workdir=${cwd}`,
    ...(image === undefined ? mounts : []),
    ...volumes.flatMap((path) => ['-v', `${path}:${path}`]),
    ...Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]),
    ...options,
    image ?? IMAGE,
  ]
}

async function mustOssb(
  run: Docker['run'],
  args: readonly string[],
  options?: ContainerOptions,
): Promise<CommandResult> {
  const result = await run(['node', PROGRAM_IN_CONTAINER, ...args], options)
  if (result.status === 0) return result
  throw new Error(
    `ossb ${args.join(' ')} in a container\nended with ${result.status}:\n${result.stdout}${result.stderr}`,
  )
}
