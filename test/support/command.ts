import { type ChildProcess, spawn } from 'node:child_process'
import { buffer } from 'node:stream/consumers'

export interface CommandOptions {
  readonly cwd?: string
  /** The whole environment; absent is this process's own. */
  readonly env?: NodeJS.ProcessEnv
  readonly uid?: number
  readonly gid?: number
  readonly input?: string | Uint8Array
  /** Milliseconds until the process is killed; 280 000 where absent. */
  readonly timeout?: number
}

export interface CommandResult {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunningCommand {
  readonly child: ChildProcess
  readonly done: Promise<CommandResult>
  /** Everything the process has written so far, both streams. */
  output(): string
  /** Waits until the output matches; rejects when the process ends before. */
  waitFor(pattern: RegExp): Promise<void>
}

/** Starts a command in its own process group, so that a test can end all of it. */
export function startCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): RunningCommand {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeout ?? 280_000,
    killSignal: 'SIGKILL',
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  })
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  let seen = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (seen += chunk.toString()))
  const closed = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => resolve([status, signal]))
  })
  const done = Promise.all([closed, buffer(child.stdout), buffer(child.stderr)]).then(
    ([[status, signal], stdout, stderr]) => ({
      status,
      signal,
      stdout: stdout.toString(),
      stderr: stderr.toString(),
    }),
  )
  done.catch(() => {})
  const waitFor = async (pattern: RegExp): Promise<void> => {
    let ended = false
    const end = (): void => void (ended = true)
    done.then(end, end)
    while (!pattern.test(seen)) {
      if (ended) throw new Error(`The process ended before its output matched ${pattern}:\n${seen}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  return { child, done, output: () => seen, waitFor }
}

export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return startCommand(command, args, options).done
}

/** The standard output of a command that has to succeed. */
export async function mustRun(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await runCommand(command, args, options)
  if (result.status === 0) return result.stdout
  const line = [command, ...args].join(' ')
  throw new Error(`${line}\nended with ${result.status ?? result.signal}:\n${result.stdout}${result.stderr}`)
}

const inRoot = process.getuid?.() === 0

/**
 * Runs a tool that has to own files as their users: directly as root, else inside a user namespace with the caller's
 * range of ids, where it is root.
 */
export function mustRunAsRoot(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  if (inRoot) return mustRun(command, args, options)
  return mustRun(
    'unshare',
    ['--user', '--map-auto', '--map-root-user', '--mount', '--', command, ...args],
    options,
  )
}
