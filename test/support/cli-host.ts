import { PassThrough, Readable } from 'node:stream'
import type { Api } from '../../src/cli/api.ts'
import type { Host } from '../../src/cli/host.ts'
import { runOssb } from '../../src/cli/main.ts'
import type { BuildOptions, BuildResult } from '../../src/index.ts'

export const BUILT: BuildResult = {
  descriptor: {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: `sha256:${'a'.repeat(64)}`,
    size: 500,
  },
  configDigest: `sha256:${'b'.repeat(64)}`,
  names: ['docker.io/library/app:1'],
  platforms: ['linux/amd64'],
  outputs: ['store as docker.io/library/app:1'],
}

/** An API that does nothing, with what a test replaces. */
export function fakeApi(replaced: Partial<Api> = {}): Api {
  const unexpected = () => Promise.reject(new Error('not expected here'))
  return {
    build: () => Promise.resolve(BUILT),
    bundle: unexpected,
    lock: unexpected,
    check: unexpected,
    outline: unexpected,
    targets: unexpected,
    login: unexpected,
    logout: unexpected,
    copyImage: unexpected,
    inspectImage: unexpected,
    createIndex: unexpected,
    putText: unexpected,
    warmImage: unexpected,
    cacheInfo: unexpected,
    cachePrune: unexpected,
    cacheVerify: unexpected,
    doctor: unexpected,
    enterNamespace: () => Promise.resolve(undefined),
    ...replaced,
  }
}

export interface CliRun {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line in this process. Its clock gains 100 ms at each look. */
export async function runCli(
  args: readonly string[],
  api: Api = fakeApi(),
  replaced: Partial<Host> = {},
): Promise<CliRun> {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  let clock = Date.UTC(2024, 0, 1)
  const exitCode = await runOssb(
    {
      args,
      environment: { HOME: '/home/me' },
      directory: '/work/dir',
      self: ['node', 'ossb.js'],
      stdin: Readable.from([]),
      stdout: stdout,
      stderr: stderr,
      now: () => (clock += 100),
      interruption: { signal: new AbortController().signal, exitCode: () => undefined },
      ask: () => Promise.resolve(''),
      askSecret: () => Promise.resolve(''),
      ...replaced,
    },
    api,
  )
  return { exitCode, stdout: textOf(stdout), stderr: textOf(stderr) }
}

/** All that was written to a stream. Since Node 26 a read gives one chunk. */
export function textOf(stream: PassThrough): string {
  let text = ''
  for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null)
    text += chunk.toString()
  return text
}

/** The build that a command line asks for. */
export async function buildOptionsOf(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<BuildOptions> {
  let seen: BuildOptions | undefined
  const api = fakeApi({
    build({ standardInput: _input, standardOutput: _output, ...options }) {
      seen = options
      return Promise.resolve(BUILT)
    },
  })
  const run = await runCli(['build', ...args], api, { environment: { HOME: '/home/me', ...environment } })
  if (seen === undefined) throw new Error(run.stderr)
  return seen
}
