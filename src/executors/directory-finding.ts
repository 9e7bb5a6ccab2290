import {
  accessSync,
  constants,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

export interface DirectoryFinding {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly remedy?: string
  /** Nothing can be run there, unless below an overlay. */
  readonly isNoexec: boolean
}

/**
 * Whether programs of images can be started where root file systems lie, when no overlay is above them (which has flags
 * of its own): tried by a file with the right to be executed, as that is what a mount with noexec takes.
 */
export function directoryFinding(directory: string): DirectoryFinding {
  const name = 'cache directory'
  const path = realpathSync(directory)
  const options = mountOptions(path, readFileSync('/proc/self/mountinfo', 'utf8'))
  const remedy =
    'Use a --cache-dir on a file system that is mounted without noexec and nosuid, or one that allows overlays'
  if (!canExecuteIn(path))
    return {
      name,
      ok: false,
      isNoexec: true,
      detail: `access X_OK: EACCES: "${path}" is mounted noexec: no program of an image can be started`,
      remedy,
    }
  if (options.includes('nosuid'))
    return {
      name,
      ok: false,
      isNoexec: false,
      detail: `"${path}" is mounted nosuid: sudo and other set-user-ID programs of a RUN have no effect`,
      remedy,
    }
  return { name, ok: true, isNoexec: false, detail: `programs can be started in "${path}"` }
}

/** access(2) answers EACCES there, whatever the mode of the file. */
function canExecuteIn(directory: string): boolean {
  const own = mkdtempSync(join(directory, 'trial-'))
  try {
    writeFileSync(join(own, 'program'), '', { mode: 0o700 })
    accessSync(join(own, 'program'), constants.X_OK)
    return true
  } catch {
    return false
  } finally {
    rmSync(own, { recursive: true, force: true })
  }
}

/** The options of the mount that a path lies on (proc_pid_mountinfo(5): fields 5 and 6). */
export function mountOptions(path: string, mountinfo: string): readonly string[] {
  const mounts = mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , , , point = '-']) => path === point || path.startsWith(point === '/' ? '/' : `${point}/`))
  const longest = Math.max(...mounts.map(([, , , , point = '']) => point.length))
  return mounts.findLast(([, , , , point = '']) => point.length === longest)?.[5]?.split(',') ?? []
}
