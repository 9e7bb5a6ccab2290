import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCodec } from '../../src/codec/index.ts'
import type { SourceTree } from '../../src/fs/index.ts'
import { type CopyAction, createVertex, type FileOp, type Op } from '../../src/graph/index.ts'
import type { WorkingRoot } from '../../src/snapshot/index.ts'
import { createFileRunner } from '../../src/solver/index.ts'
import { entriesOf, fileSession, IDLE, newDirectory } from './layer-files.ts'

/** A context and a root file system in a directory of their own, each as a shell script made it. */
export interface Place {
  readonly context: string
  readonly root: string
}

export function makePlace(context: string, root: string): Place {
  const directory = newDirectory()
  const make = (name: string, script: string): string => {
    const path = join(directory, name)
    mkdirSync(path)
    execFileSync('sh', ['-euc', `umask 022\n${script}`], { cwd: path })
    return path
  }
  return { context: make('context', context), root: make('root', root) }
}

const DEFAULTS = {
  input: 1,
  ownership: 'root',
  unpack: false,
  exclude: [],
  parents: false,
  link: false,
} as const

export function copyAction(
  sources: readonly string[],
  destination: string,
  more: Partial<CopyAction> = {},
): CopyAction {
  return { type: 'copy', ...DEFAULTS, sources, destination, ...more }
}

export interface PerformOptions {
  /** What the operation lies above; absent is some image. */
  readonly base?: Op
  /** The root file system of what it lies above; absent is the place's own. */
  readonly below?: string
  readonly tree?: Partial<SourceTree>
}

const codec = createCodec({ workers: 0 })
const IMAGE = { kind: 'context', name: 'base' } as const

/** Carries out an operation in the place's root, with the place's context as input 1. */
export async function perform(
  { context, root }: Place,
  op: Omit<FileOp, 'kind'>,
  options: PerformOptions = {},
): Promise<void> {
  const runner = createFileRunner(fileSession(), codec)
  const file: FileOp = { kind: 'file', ...op }
  const below = createVertex(options.base ?? IMAGE, [], { name: 'below' })
  const trees = new Map([
    [0, { root: options.below ?? root }],
    [1, { root: context, ...options.tree }],
  ])
  const working = { rootfs: root } as WorkingRoot
  await runner.run(file, createVertex(file, [below], { name: 'copy' }), working, trees, IDLE)
}

/** Seconds from 2001-01-01 to a time; "now" for those of today. */
function shortTime(mtimeNs: bigint): string {
  return mtimeNs > 1_500_000_000_000_000_000n ? 'now' : String(mtimeNs / 1_000_000_000n - 978_307_200n)
}

/** `path type mode owner @seconds content` of everything in a root. */
export async function contentOf(root: string): Promise<readonly string[]> {
  const first = new Map<bigint, string>()
  return (await entriesOf(root)).slice(1).map((entry) => {
    const { path, type, mode, uid, gid, mtimeNs, linkTarget, ino, nlink } = entry
    const known = type === 'file' && nlink > 1 ? first.get(ino) : undefined
    if (known !== undefined) return `${path} = ${known}`
    first.set(ino, path)
    const text = type === 'file' ? readFileSync(join(root, path), 'utf8').trim() : (linkTarget ?? '')
    return `${path} ${type} ${mode.toString(8)} ${uid}:${gid} @${shortTime(mtimeNs)} ${text}`.trim()
  })
}

/** The first words of lines: the paths alone. */
export function pathsOf(lines: readonly string[]): readonly string[] {
  return lines.map((line) => line.split(' ')[0] ?? '')
}
