import { open, readFile } from 'node:fs/promises'
import { type FileEntry, fileSystemError, type Job } from '../core/index.ts'
import { lstatIfPresent, resolveInRoot } from '../fs/index.ts'
import { apkPackages } from './apk.ts'
import { dpkgPackages } from './dpkg.ts'
import { elfSection } from './elf-section.ts'
import type { Distribution, FoundPackage } from './found-package.ts'
import { goPackages } from './go.ts'
import { npmPackages } from './npm.ts'
import { parseOsRelease } from './os-release.ts'
import { pythonPackages } from './python.ts'

/** A package, and the file of the root that tells of it, from its "/". */
export interface LocatedPackage extends FoundPackage {
  readonly location: string
}

type Reader = (text: string, distribution?: Distribution) => readonly FoundPackage[]

const READERS: readonly { readonly path: RegExp; readonly read: Reader }[] = [
  { path: /^var\/lib\/dpkg\/(?:status|status\.d\/(?!.*\.md5sums$)[^/]+)$/, read: dpkgPackages },
  { path: /^(?:usr\/)?lib\/apk\/db\/installed$/, read: apkPackages },
  { path: /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@]+\/package\.json$/, read: npmPackages },
  { path: /(?:\.dist-info\/METADATA|\.egg-info\/PKG-INFO|\.egg-info)$/, read: pythonPackages },
]

const RPM_DATABASE =
  /^(?:var\/lib|usr\/lib\/sysimage|usr\/share)\/rpm\/(?:rpmdb\.sqlite|Packages|Packages\.db)$/

/** A larger file is no database of packages. */
const MAX_BYTES = 1 << 26

/**
 * All packages that the databases of a root file system name, and the modules of its Go programs, in the order of the
 * walk. A database of RPM, which is not read, is told of.
 * @param entries all files of `root`
 */
export async function readPackages(
  root: string,
  entries: AsyncIterable<FileEntry>,
  job: Job,
): Promise<readonly LocatedPackage[]> {
  const distribution = await distributionOf(root)
  const found: LocatedPackage[] = []
  for await (const { path, type, size, mode } of entries) {
    job.signal.throwIfAborted()
    if (type !== 'file') continue
    if (RPM_DATABASE.test(path))
      job.emit({
        type: 'warning',
        rule: 'UnreadPackageDatabase',
        message: `The packages of the RPM database /${path} are not in the bill of materials: it cannot be read`,
      })
    const reader = READERS.find((one) => one.path.test(path))
    if (reader === undefined && (mode & 0o111) === 0) continue
    const file = resolveInRoot(root, path, { last: 'keep' })
    const packages =
      reader === undefined
        ? await programPackages(file)
        : size > MAX_BYTES
          ? []
          : reader.read(await readText(file), distribution)
    found.push(...packages.map((one) => ({ ...one, location: `/${path}` })))
  }
  return found
}

async function distributionOf(root: string): Promise<Distribution | undefined> {
  const file = ['/etc/os-release', '/usr/lib/os-release']
    .map((path) => resolveInRoot(root, path, { last: 'follow' }))
    .find((path) => lstatIfPresent(path)?.isFile() === true)
  return file === undefined ? undefined : parseOsRelease(await readText(file))
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw fileSystemError(`read "${file}"`, error)
  }
}

async function programPackages(path: string): Promise<readonly FoundPackage[]> {
  try {
    await using file = await open(path)
    const section = await elfSection(file, '.go.buildinfo')
    return section === undefined ? [] : goPackages(section)
  } catch (error) {
    throw fileSystemError(`read "${path}"`, error)
  }
}
