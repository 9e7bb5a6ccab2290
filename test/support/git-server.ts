import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { mustRun, startCommand } from './command.ts'

/** Repositories in a directory, served by git's own daemon on loopback. */
export interface GitServer extends AsyncDisposable {
  /** `git://127.0.0.1:PORT` */
  readonly url: string
  /** Where the repositories are. */
  readonly directory: string
  /** Makes an empty repository, without which nothing can be committed to it. */
  create(name: string): Promise<void>
  /** Writes files, commits all of them, and answers the commit. */
  commit(name: string, files: Readonly<Record<string, string>>): Promise<string>
  git(name: string, ...args: readonly string[]): Promise<string>
}

const DATE = '2020-01-02T03:04:05Z'
const ENVIRONMENT = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@example.org',
  GIT_AUTHOR_DATE: DATE,
  GIT_COMMITTER_DATE: DATE,
}

export async function startGitServer(): Promise<GitServer> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'ossb-git-')))
  const port = await freePort()
  const git = async (name: string, ...args: readonly string[]): Promise<string> =>
    (await mustRun('git', ['-C', join(directory, name), ...args], { env: ENVIRONMENT })).trim()
  const daemon = startCommand('git', [
    'daemon',
    '--listen=127.0.0.1',
    `--port=${port}`,
    `--base-path=${directory}`,
    '--export-all',
    '--verbose',
    '--reuseaddr',
  ])
  await daemon.waitFor(/Ready to rumble/)
  return {
    url: `git://127.0.0.1:${port}`,
    directory,
    git,
    create: async (name) => {
      await mkdir(join(directory, name))
      await git(name, 'init', '--quiet', '--initial-branch=main')
    },
    commit: async (name, files) => {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(directory, name, path)), { recursive: true })
        await writeFile(join(directory, name, path), text)
      }
      await git(name, 'add', '--all')
      await git(name, 'commit', '--quiet', '--allow-empty', '--message=change')
      return await git(name, 'rev-parse', 'HEAD')
    },
    [Symbol.asyncDispose]: async () => {
      if (daemon.child.pid !== undefined) process.kill(-daemon.child.pid, 'SIGTERM')
      await daemon.done
      await rm(directory, { recursive: true })
    },
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject()))
    })
  })
}
