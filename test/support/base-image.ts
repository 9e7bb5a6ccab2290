import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mustRun } from './command.ts'

const MAKE_LAYOUT = new URL('../../scripts/make-base-layout.mjs', import.meta.url).pathname
const STAGE_DIFFERENTIAL = new URL('stage-differential-base.sh', import.meta.url).pathname
/** Part of the cache's name: raise it when what is made here changes. */
const RECIPE = 1

/** A few programs in a few megabytes, as an OCI layout directory tagged "base". */
export function miniBase(): Promise<string> {
  return cached('mini', (dest) => mustRun(process.execPath, [MAKE_LAYOUT, dest]))
}

/** Busybox, setcap, a few users and groups, and linked directories, as an OCI layout directory tagged "base". */
export function differentialBase(): Promise<string> {
  return cached('differential', async (dest) => {
    const tar = `${dest}.tar`
    await mustRun('sh', [STAGE_DIFFERENTIAL, tar])
    await mustRun(process.execPath, [MAKE_LAYOUT, dest, '--rootfs-tar', tar])
    await rm(tar)
  })
}

/** The distribution of this machine, minimal, with setcap, as an OCI layout directory tagged "base". */
export async function distributionBase(): Promise<string> {
  const { suite, mirrors } = await packageSource()
  return cached(suite, async (dest) => {
    const tar = `${dest}.tar`
    const mode = process.getuid?.() === 0 ? 'root' : 'unshare'
    const options = [`--mode=${mode}`, '--variant=minbase', '--include=libcap2-bin', '--quiet']
    await mustRun('mmdebstrap', [...options, suite, tar, ...mirrors])
    await mustRun(process.execPath, [MAKE_LAYOUT, dest, '--rootfs-tar', tar])
    await rm(tar)
  })
}

/** Where this machine itself takes its packages from. */
export async function packageSource(): Promise<{ suite: string; mirrors: string[] }> {
  const suite = /^VERSION_CODENAME=(\w+)/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1]
  if (suite === undefined) throw new Error('/etc/os-release names no VERSION_CODENAME')
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT)'
  const lines = (
    await mustRun('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'])
  ).split('\n')
  const own = lines.map((line) => line.split(' ')).filter(([, release]) => release === suite)
  const mirrors = own.map(([uri, release, component]) => `deb ${uri} ${release} ${component}`)
  if (mirrors.length === 0)
    throw new Error(`apt has no package source for "${suite}": add one to its configuration`)
  return { suite, mirrors: [...new Set(mirrors)] }
}

/** Where what takes long to make is kept between runs. */
export function cacheOf(): string {
  const owner = process.getuid?.() ?? 0
  return process.env['OSSB_TEST_CACHE'] ?? join(tmpdir(), `ossb-test-cache-${owner}`)
}

/** A directory made once and kept between runs, complete or absent. */
async function cached(name: string, make: (dest: string) => Promise<unknown>): Promise<string> {
  const cache = cacheOf()
  const dest = join(cache, `${name}-${process.arch}-${RECIPE}`)
  if (existsSync(dest)) return dest
  await mkdir(cache, { recursive: true, mode: 0o755 })
  const part = `${dest}.part-${process.pid}`
  await make(part)
  await rename(part, dest).catch(async (error: unknown) => {
    if (!existsSync(dest)) throw error
    await rm(part, { recursive: true })
  })
  return dest
}
