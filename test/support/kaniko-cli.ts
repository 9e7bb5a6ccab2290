import { PassThrough, Readable } from 'node:stream'
import type { Api } from '../../src/cli/api.ts'
import type { Host } from '../../src/cli/host.ts'
import { runKaniko } from '../../src/cli/kaniko/main.ts'
import type { BuildOptions } from '../../src/index.ts'
import { BUILT, type CliRun, fakeApi, textOf } from './cli-host.ts'

export interface KanikoRun extends CliRun {
  /** The builds that were asked for, in their order. */
  readonly builds: readonly BuildOptions[]
}

interface KanikoOptions {
  readonly directory: string
  readonly environment?: Readonly<Record<string, string>>
  readonly api?: Partial<Api>
  readonly stdin?: string
}

/** Runs the command line of the executor in this process; nothing is built. */
export async function runKanikoCli(
  args: readonly string[],
  { directory, environment = {}, api = {}, stdin = '' }: KanikoOptions,
): Promise<KanikoRun> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const builds: BuildOptions[] = []
  const host: Host = {
    args,
    environment: { HOME: '/home/me', ...environment },
    directory,
    self: ['node', 'executor.js'],
    stdin: Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]),
    stdout,
    stderr,
    now: () => Date.UTC(2024, 0, 1),
    interruption: { signal: new AbortController().signal, exitCode: () => undefined },
    ask: () => Promise.resolve(''),
    askSecret: () => Promise.resolve(''),
  }
  const exitCode = await runKaniko(
    host,
    fakeApi({
      build(options) {
        builds.push(options)
        return Promise.resolve(BUILT)
      },
      ...api,
    }),
  )
  return { exitCode, stdout: textOf(stdout), stderr: textOf(stderr), builds }
}
