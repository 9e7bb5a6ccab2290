import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheOf, packageSource } from './base-image.ts'
import { mustRun } from './command.ts'

/** Names that Debian has for architectures that it calls by another one than Go. */
const DEBIAN_NAMES: Readonly<Record<string, string>> = { arm: 'armhf', ppc64le: 'ppc64el' }

/** Where the machine's own suite does not have an architecture yet. */
const LATER_SUITES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  bookworm: { riscv64: 'trixie' },
}

/** A tar of one file, /bin/busybox, which Debian's busybox-static of an architecture (GOARCH) has. Kept between runs. */
export async function foreignBusybox(architecture: string): Promise<string> {
  const cache = cacheOf()
  const dest = join(cache, `busybox-${architecture}.tar`)
  if (existsSync(dest)) return dest
  const { suite: own, mirrors } = await packageSource()
  const suite = LATER_SUITES[own]?.[architecture] ?? own
  const part = `${dest}.part-${process.pid}`
  await mkdir(part, { recursive: true, mode: 0o755 })
  await mustRun('mmdebstrap', [
    `--mode=${process.getuid?.() === 0 ? 'root' : 'unshare'}`,
    '--variant=extract',
    `--architectures=${DEBIAN_NAMES[architecture] ?? architecture}`,
    '--include=busybox-static',
    '--quiet',
    suite,
    `${part}/all.tar`,
    ...mirrors.map((line) => line.replace(` ${own} `, ` ${suite} `)),
  ])
  const members = (await mustRun('tar', ['-tf', `${part}/all.tar`])).split('\n')
  const member = members.find((name) => name.endsWith('/bin/busybox'))
  if (member === undefined) throw new Error(`busybox-static of ${architecture} has no busybox`)
  await mustRun('sh', [
    '-c',
    'mkdir "$1/bin" && tar -xOf "$1/all.tar" "$2" > "$1/bin/busybox" && chmod 755 "$1/bin" "$1/bin/busybox" &&' +
      ' tar --owner=0 --group=0 --mtime=@0 -C "$1" -cf "$1/one.tar" bin',
    'sh',
    part,
    member,
  ])
  await rename(`${part}/one.tar`, dest)
  await rm(part, { recursive: true })
  return dest
}
