import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mustRun } from './command.ts'
import type { RootfsListing } from './compare-rootfs.ts'
import type { Identity } from './identity.ts'

const CASES = new URL('../golden/differential', import.meta.url).pathname

/** What `case.json` may say of a case; a case without one is built as it is, and both builders have to agree. */
export interface CaseSettings {
  readonly args?: Readonly<Record<string, string>>
  readonly target?: string
  /** The build fails, and what OSSB prints contains this. Buildah has to fail as well, unless the case `differs`. */
  readonly error?: string
  /** Why buildah is not followed: needed by all that follows, and by a `Dockerfile.buildah`. */
  readonly differs?: string
  /** Corrections of the files that buildah makes, in the words of a listing; null is a file that must not be there. */
  readonly files?: Readonly<Record<string, string | null>>
  /** Corrections of the fields of the config; null is a field that must not be there. */
  readonly config?: Readonly<Record<string, unknown>>
}

/**
 * One Dockerfile and what goes with it, a directory under test/golden/differential:
 * `Dockerfile`; `Dockerfile.buildah`, which says the same to a buildah that does not understand the first;
 * `Dockerfile.base`, built first and given as BASE; `context.sh`, which fills an empty context; `case.json`.
 */
export interface DifferentialCase {
  readonly name: string
  readonly settings: CaseSettings
  /** Path of one of the case's files, where it has that. */
  file(name: string): string | undefined
}

export async function differentialCases(): Promise<DifferentialCase[]> {
  const names = (await readdir(CASES)).sort()
  return Promise.all(names.map(readCase))
}

async function readCase(name: string): Promise<DifferentialCase> {
  const file = (part: string): string | undefined => {
    const path = join(CASES, name, part)
    return existsSync(path) ? path : undefined
  }
  const path = file('case.json')
  const settings = path === undefined ? {} : (JSON.parse(await readFile(path, 'utf8')) as CaseSettings)
  const { differs, files, config } = settings
  if (differs === undefined && (files ?? config ?? file('Dockerfile.buildah')) !== undefined)
    throw new Error(`${name} corrects buildah and does not say why: case.json needs "differs"`)
  return { name, settings, file }
}

/** Makes a directory for a case, all of it the identity's own, with the context in `context`. */
export async function writeCase(one: DifferentialCase, top: string, identity: Identity): Promise<void> {
  const directory = join(top, 'context')
  await mkdir(directory, { recursive: true })
  for (const name of ['Dockerfile', 'Dockerfile.buildah', 'Dockerfile.base']) {
    const file = one.file(name)
    if (file !== undefined) await copyFile(file, join(directory, name))
  }
  // The one who builds makes the context: a change of owners afterwards would take the set-id bits away.
  const { uid, gid } = identity
  if (uid !== undefined) await mustRun('chown', ['-hR', `${uid}:${gid}`, top])
  const script = one.file('context.sh')
  if (script === undefined) return
  const shell = ['sh', '-euc', `umask 022\n${await readFile(script, 'utf8')}`]
  const as = uid === undefined ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups']
  const [program = 'sh', ...args] = [...as, ...shell]
  await mustRun(program, args, { cwd: directory })
}

/** What buildah made, with the corrections of the case. */
export function correctedFiles(files: RootfsListing, { settings }: DifferentialCase): RootfsListing {
  const corrected = new Map(files)
  for (const [path, words] of Object.entries(settings.files ?? {}))
    if (words === null) corrected.delete(path)
    else corrected.set(path, words)
  return corrected
}

export function correctedConfig(
  config: Readonly<Record<string, unknown>>,
  { settings }: DifferentialCase,
): Record<string, unknown> {
  const entries = Object.entries({ ...config, ...settings.config })
  return Object.fromEntries(entries.filter(([, value]) => value !== null))
}
