import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Job, OssbError } from '../core/index.ts'
import { runProcess } from '../io/index.ts'
import type { FileSession } from '../native/index.ts'

interface RootMountOptions {
  readonly rootfs: string
  readonly directory: string
  readonly session: FileSession
  readonly isNeeded: boolean
}

/** A root as a process may see it. */
export interface ShownRoot extends AsyncDisposable {
  readonly path: string
}

/**
 * The root once more, where device nodes in it can't be opened: a container's root may make them, no cgroup keeps it
 * from using them, and on the machine's own root they would work. Runtimes know no such option for the root itself.
 */
export async function shownWithoutDevices(
  { rootfs, directory, session, isNeeded }: RootMountOptions,
  job: Job,
): Promise<ShownRoot> {
  if (!isNeeded) return { path: rootfs, [Symbol.asyncDispose]: async () => {} }
  const path = join(directory, 'root')
  mkdirSync(path)
  const mount = await session.mount({ type: 'bind', source: rootfs, target: path, readonly: false }, job)
  try {
    const { exitCode, stderr } = await runProcess(
      ['mount', '-o', 'remount,bind,nodev', path],
      { env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' } },
      job,
    )
    if (exitCode === 0) return { path, [Symbol.asyncDispose]: () => mount[Symbol.asyncDispose]() }
    throw new OssbError('ERR_OSSB_EXECUTOR', `Cannot make the root of a process nodev: ${stderr.trim()}`)
  } catch (error) {
    await mount[Symbol.asyncDispose]()
    throw error
  }
}
