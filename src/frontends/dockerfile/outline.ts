import type { SourceRange } from '../../core/index.ts'
import type { Outline, OutlineArgument, OutlineMount, SourceFile, TargetList } from '../../graph/index.ts'
import type { FromLine } from './from-lines.ts'
import type { Dockerfile, Stage } from './stages.ts'

/** What is noted while stages are planned, to tell in the end what a build takes from outside. */
export interface OutlineRecord {
  /** ARGs of reached stages with a value of their own, by index of the stage. */
  readonly stageArgs: Map<number, OutlineArgument[]>
  /** ARGs above the first FROM by name: the last of a name, with the names that its default uses. */
  readonly globalArgs: Map<string, { readonly argument: OutlineArgument; readonly uses: ReadonlySet<string> }>
  /** Names of global ARGs that reached stages use. */
  readonly used: Set<string>
  readonly secrets: OutlineMount[]
  readonly ssh: OutlineMount[]
  readonly caches: OutlineMount[]
}

export function createOutlineRecord(): OutlineRecord {
  return { stageArgs: new Map(), globalArgs: new Map(), used: new Set(), secrets: [], ssh: [], caches: [] }
}

/** What a comment says of `name`: it begins with the name and a blank. */
export function describedAs(comments: readonly string[], name: string): { readonly description?: string } {
  const comment = comments.find((line) => line.startsWith(`${name} `))
  return comment === undefined ? {} : { description: comment.slice(name.length + 1) }
}

function stageFacts({ name, comments }: Stage): { readonly name?: string; readonly description?: string } {
  return name === undefined ? {} : { name, ...describedAs(comments, name) }
}

/** Everything noted, without doubles, in the order of the file. */
export function outlineOf(file: SourceFile, target: Stage, record: OutlineRecord): Outline {
  return {
    file,
    ...stageFacts(target),
    args: inOrder(argumentsOf(target, record)),
    secrets: onceEach(record.secrets),
    ssh: onceEach(record.ssh),
    caches: onceEach(record.caches),
  }
}

/** Of two ARGs with one name that of the target comes first, then that of the later stage, then the global one. */
function argumentsOf(target: Stage, record: OutlineRecord): readonly OutlineArgument[] {
  const found = new Map<string, OutlineArgument>()
  const indexes = [...record.stageArgs.keys()].sort((a, b) => b - a)
  for (const index of [target.index, ...indexes]) {
    const own = new Map(record.stageArgs.get(index)?.map((argument) => [argument.name, argument]))
    for (const [name, argument] of own) if (!found.has(name)) found.set(name, argument)
  }
  const wanted = [...record.used]
  const seen = new Set(wanted)
  for (const name of wanted) {
    const known = record.globalArgs.get(name)
    if (known === undefined) continue
    if (!found.has(name)) found.set(name, known.argument)
    for (const used of known.uses) {
      if (seen.has(used)) continue
      seen.add(used)
      wanted.push(used)
    }
  }
  return [...found.values()]
}

function onceEach(mounts: readonly OutlineMount[]): readonly OutlineMount[] {
  const found = new Map<string, OutlineMount>()
  for (const mount of mounts) {
    const known = found.get(mount.id)
    if (known === undefined) found.set(mount.id, mount)
    else if (mount.required && !known.required) found.set(mount.id, { ...known, required: true })
  }
  return inOrder([...found.values()])
}

function inOrder<Item extends { readonly source: SourceRange }>(items: readonly Item[]): readonly Item[] {
  return [...items].sort((a, b) => a.source.startLine - b.source.startLine)
}

/** Every stage, as something that can be built. */
export function targetsOf(file: SourceFile, { stages }: Dockerfile, bases: readonly FromLine[]): TargetList {
  const names = new Set(['scratch', ...stages.map(({ name }) => name?.toLowerCase())])
  const imageOf = ({ index }: Stage) => {
    const base = bases[index]?.base
    return base === undefined || names.has(base.toLowerCase()) ? {} : { image: base }
  }
  return {
    file,
    targets: stages.map((stage) => ({
      ...stageFacts(stage),
      isDefault: stage.index === stages.length - 1,
      base: stage.base,
      ...imageOf(stage),
      ...(stage.platform === undefined ? {} : { platform: stage.platform }),
      source: stage.range,
    })),
  }
}
