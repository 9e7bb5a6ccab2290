import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Job } from '../../../src/core/index.ts'
import {
  loadHelper,
  type NativeHelper,
  type RunSpec,
  readIdRanges,
  runInRoot,
} from '../../../src/native/index.ts'
import { type OrdinaryUser, ordinaryUser } from '../../support/ordinary-user.ts'

/** Somewhere that a build can run: the helper as started there, and files as root sees them there. */
export interface Environment {
  readonly name: string
  readonly helper: NativeHelper
  /** The file of the helper itself. */
  readonly program: string
  /** Runs a shell script as root of this environment, in `directory`. */
  shell(directory: string, script: string): string
  /** A new empty directory that root of this environment owns. */
  directory(): string
}

export const IDLE: Job = { signal: new AbortController().signal, emit: () => {} }

const trash: string[] = []
afterAll(() => {
  for (const directory of trash.splice(0)) spawnSync('rm', ['-rf', directory])
})

/** Open to every user: the directories above it too. */
export function openDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'ossb-native-'))
  chmodSync(directory, 0o755)
  trash.push(directory)
  return directory
}

/** A copy of the helper that every user can execute, wherever the checkout lies. */
export function publicHelper(): NativeHelper {
  const path = join(openDirectory(), 'ossb-helper')
  copyFileSync(loadHelper().path, path)
  chmodSync(path, 0o755)
  return { path }
}

function script(text: string): string {
  const path = join(openDirectory(), 'command')
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, 0o755)
  return path
}

function become(user: OrdinaryUser): string {
  return userInfo().uid === 0 ? `setpriv --reuid ${user.uid} --regid ${user.gid} --clear-groups ` : ''
}

/** The helper as an ordinary user starts it. */
export function helperOf(user: OrdinaryUser): NativeHelper {
  return { path: script(`exec ${become(user)}${publicHelper().path} "$@"`) }
}

export function rangesOf(user: OrdinaryUser): { uidRanges: string; gidRanges: string } {
  const list = (file: string) =>
    readIdRanges(file, user)
      .map(({ first, count }) => `${first}:${count}`)
      .join(',')
  return { uidRanges: list('/etc/subuid'), gidRanges: list('/etc/subgid') }
}

/** `map` are the words after "map 9" that enter it, as whoever `become` makes; `under` what the helper is started by. */
function environmentOf(name: string, map: string, owner: OrdinaryUser | undefined, under = ''): Environment {
  const program = publicHelper().path
  const enter = `${owner === undefined ? '' : become(owner)}${program} map 9 ${map} `
  return {
    name,
    helper: { path: script(`exec 9>/dev/null\nexec ${enter}${under}${program} "$@"`) },
    program,
    shell: (directory, text) =>
      execFileSync('sh', ['-c', `exec 9>/dev/null; exec ${enter}sh -euc "$0"`, text], {
        cwd: directory,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    directory() {
      const directory = openDirectory()
      if (owner !== undefined && userInfo().uid === 0)
        execFileSync('chown', [`${owner.uid}:${owner.gid}`, directory])
      return directory
    },
  }
}

/** Root of the user namespace in which an ordinary user owns a range of ids. */
export function mappedEnvironment(): Environment {
  const user = ordinaryUser()
  const { uidRanges, gidRanges } = rangesOf(user)
  return environmentOf('subordinate ids', `user ${uidRanges} ${gidRanges}`, user)
}

/** Root of a user namespace that has the one id of an ordinary user: owners are recorded there. */
export function oneIdEnvironment(): Environment {
  return environmentOf('one id', 'one-id', ordinaryUser())
}

/** All that can be had here: real root as well where the tests run as root. */
export function environments(): readonly Environment[] {
  const root = userInfo().uid === 0 ? [environmentOf('root', 'root', undefined)] : []
  return [...root, mappedEnvironment()]
}

/** The same on a kernel that is too old for some system calls. */
export function environmentsWithout(...calls: readonly string[]): readonly Environment[] {
  const under = `strace -f -o /dev/null -e trace=${calls.join()} -e inject=${calls.join()}:error=ENOSYS `
  const user = ordinaryUser()
  const { uidRanges, gidRanges } = rangesOf(user)
  return [
    ...(userInfo().uid === 0 ? [environmentOf('root', 'root', undefined, under)] : []),
    environmentOf('subordinate ids', `user ${uidRanges} ${gidRanges}`, user, under),
    environmentOf('one id', 'one-id', user, under),
  ]
}

/** Made once for each environment, and copied: making its many links takes long. */
const templates = new Map<string, string>()

/** A root file system with a static busybox for its commands, and nothing else. */
export function makeRoot(environment: Environment): string {
  const template = templates.get(environment.name) ?? makeTemplate(environment)
  templates.set(environment.name, template)
  const root = environment.directory()
  environment.shell(root, `cp -a ${template}/. .`)
  return root
}

function makeTemplate(environment: Environment): string {
  const root = environment.directory()
  environment.shell(
    root,
    `mkdir bin etc tmp
     chmod 1777 tmp
     cp "$(command -v busybox)" bin/busybox
     bin/busybox --install -s bin
     for link in bin/*; do [ ! -L "$link" ] || ln -sf busybox "$link"; done
     printf 'root:x:0:0::/:/bin/sh\\napp:x:1000:1000::/:/bin/sh\\n' >etc/passwd
     printf 'root:x:0:\\napp:x:1000:\\n' >etc/group
     touch -d '2001-02-03 04:05:06.123456789' . bin etc tmp`,
  )
  return root
}

export interface Outcome {
  readonly exitCode: number
  readonly signal?: string
  readonly stdout: string
  readonly stderr: string
  readonly stubs: readonly string[]
}

/** Runs a shell script, or a command, in a root; fails for what the helper could not do. */
export async function run(
  environment: Environment,
  root: string,
  command: string | readonly string[],
  options: Partial<RunSpec> = {},
  job: Job = IDLE,
): Promise<Outcome> {
  const text = { stdout: '', stderr: '' }
  const result = await runInRoot(
    environment.helper,
    {
      root,
      args: typeof command === 'string' ? ['/bin/sh', '-c', command] : command,
      env: ['PATH=/bin'],
      cwd: '/',
      uid: 0,
      gid: 0,
      groups: [],
      hostname: 'builder',
      network: 'host',
      security: 'sandbox',
      shmSize: 1024 * 1024,
      limits: [],
      mounts: [],
      ...options,
    },
    (stream, chunk) => {
      text[stream] += Buffer.from(chunk).toString()
    },
    job,
  )
  return { ...result, ...text }
}
