import { copyFileSync, readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ProcessMount, ProcessSpec } from '../../../src/executors/index.ts'
import { mustRun } from '../../support/command.ts'
import { give, type Identity } from '../../support/identity.ts'

/** A process to run in a small root with busybox; bind sources are relative to the directory that holds `root`. */
export interface Case {
  /** Run by the shell before, where `root` is. */
  readonly setUp?: string
  readonly process: Partial<Omit<ProcessSpec, 'mounts'>> & {
    readonly script?: string
    readonly mounts?: readonly ProcessMount[]
  }
  /** Milliseconds after which the job is aborted. */
  readonly abortAfter?: number
  /** Run by the shell afterwards, as `setUp`. */
  readonly check?: string
}

export interface Outcome {
  readonly exitCode?: number
  readonly error?: string
  readonly code?: string
  readonly stdout: string
  readonly stderr: string
  readonly milliseconds: number
  /** What a layer would record as changed in the root: lines of a listing before (-) and after (+). */
  readonly changes: readonly string[]
  readonly checked?: string
}

export type ExecutorUnderTest = 'namespace' | 'container' | 'chroot'

export interface Outcomes<Name extends string> {
  readonly probe: unknown
  readonly of: Readonly<Record<Name, Outcome>>
}

const DRIVER = new URL('driver.mjs', import.meta.url).pathname

/** Runs the cases one after the other in one process of the identity, in the namespaces that a build enters. */
export async function runCases<Name extends string>(
  identity: Identity,
  executor: ExecutorUnderTest,
  cases: Readonly<Record<Name, Case>>,
): Promise<Outcomes<Name>> {
  const directory = await mkdtemp(join(await realpath(tmpdir()), 'ossb-executors-'))
  await chmod(directory, 0o755)
  try {
    const [work, file, driver] = [
      join(directory, 'work'),
      join(directory, 'cases'),
      join(directory, 'driver.mjs'),
    ]
    await mkdir(work)
    copyFileSync(DRIVER, driver)
    const runtime = (await mustRun('sh', ['-c', 'command -v crun'])).trim()
    const dist = dirname(dirname(identity.program))
    const content = { dist, executor, runtime, directory: work, cases: Object.values(cases) }
    await writeFile(file, JSON.stringify(content))
    for (const path of [directory, work, file, driver]) await give(path, identity)
    const { uid, gid } = identity
    await mustRun(identity.node, [driver, file], {
      cwd: directory,
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        HOST_SECRET: 'hunter2',
        ...(uid === undefined ? {} : { HOME: directory }),
      },
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    })
    return outcomesOf(cases, JSON.parse(readFileSync(`${file}.outcomes`, 'utf8')))
  } finally {
    await rm(directory, { recursive: true })
  }
}

function outcomesOf<Name extends string>(
  cases: Readonly<Record<Name, Case>>,
  [first, ...others]: readonly [{ readonly probe: unknown }, ...Outcome[]],
): Outcomes<Name> {
  const named = Object.keys(cases).map((name, index) => [name, others[index]])
  return { probe: first.probe, of: Object.fromEntries(named) as Record<Name, Outcome> }
}
