import { isDigest } from '../../core/index.ts'
import {
  type CopyAction,
  createVertex,
  type FileAction,
  type FileOp,
  type GitOp,
  type HttpOp,
  type MkfileAction,
  type Vertex,
} from '../../graph/index.ts'
import { downloadName, isGitUrl, isHttpUrl, parseGitUrl, withGitFlags } from '../../sources/index.ts'
import { destinationPath, parentsSourcePath, sourcePath } from './container-path.ts'
import { contextVertex } from './contexts.ts'
import { dockerfileError } from './dockerfile-error.ts'
import { checkFileMode, octalMode } from './file-mode.ts'
import { goQuote } from './go-format.ts'
import { type Heredoc, heredocBody, heredocFileName } from './heredoc.ts'
import { addHistory } from './image-state.ts'
import type { InstructionOf } from './instructions.ts'
import { checkIgnored } from './lint-checks.ts'
import { expand, type FileSource, nextStepName, type StageState, stepText } from './stage-state.ts'

type Transfer = InstructionOf<'ADD'> | InstructionOf<'COPY'>

/** A transfer with its words expanded, while its actions are collected. */
interface Plan {
  readonly state: StageState
  readonly instruction: Transfer
  readonly sources: readonly string[]
  readonly destination: string
  readonly settings: Pick<CopyAction, 'owner' | 'mode' | 'exclude' | 'parents' | 'link'>
  readonly actions: FileAction[]
  /** The sources of the last action, where that is a copy that can take more. */
  open?: { readonly from: Vertex; readonly unpack: boolean; readonly sources: string[] }
  /** Inputs of the vertex; index 0 is the stage's root file system. */
  readonly inputs: Vertex[]
}

export function convertCopy(state: StageState, instruction: InstructionOf<'COPY'>): void {
  const plan = startPlan(state, instruction, instruction.parents)
  for (const source of plan.sources) {
    if (isGitUrl(source)) throw dockerfileError("source can't be a git ref for COPY")
    if (isHttpUrl(source)) throw dockerfileError("source can't be a URL for COPY")
  }
  if (instruction.from === undefined)
    for (const source of plan.sources) checkIgnored(source, instruction, state.scope)
  const from = copySource(state, instruction.from)
  const path = instruction.parents ? parentsSourcePath : sourcePath
  addCopy(plan, from, { sources: plan.sources.map(path), unpack: false })
  finish(plan)
}

function copySource(state: StageState, from: string | undefined): FileSource {
  if (from === undefined) return { vertex: contextVertex('context'), ownership: 'root' }
  const source = state.sources.get(from.toLowerCase())
  if (source === undefined) throw dockerfileError(`cannot find ${goQuote(from)} to copy from`)
  return source
}

export function convertAdd(state: StageState, instruction: InstructionOf<'ADD'>): void {
  const plan = startPlan(state, instruction, false)
  const checksum = addChecksum(plan, instruction)
  if (instruction.keepGitDir && !plan.sources.some(isGitUrl))
    throw dockerfileError('--keep-git-dir requires a git source')
  const context: FileSource = { vertex: contextVertex('context'), ownership: 'root' }
  for (const source of plan.sources) {
    if (isGitUrl(source)) {
      const vertex = gitVertex(source, checksum, instruction)
      addCopy(plan, { vertex, ownership: 'root' }, { sources: ['.'], unpack: false })
    } else if (isHttpUrl(source)) {
      const { vertex, fileName } = download(source, checksum, instruction)
      const unpack = instruction.unpack ?? false
      addCopy(plan, { vertex, ownership: 'root' }, { sources: [fileName], unpack })
    } else {
      checkIgnored(source, instruction, state.scope)
      addCopy(plan, context, { sources: [sourcePath(source)], unpack: instruction.unpack ?? true })
    }
  }
  finish(plan)
}

/** --checksum after expansion: a digest for a URL, the beginning of a commit's name for a repository. */
function addChecksum({ state, sources }: Plan, add: InstructionOf<'ADD'>): string | undefined {
  if (add.checksum === undefined) return undefined
  const checksum = expand(state, add.checksum, add.range)
  if (sources.length + add.heredocs.length > 1)
    throw dockerfileError("checksum can't be specified for multiple sources")
  if (!sources.some((source) => isHttpUrl(source) || isGitUrl(source)))
    throw dockerfileError('checksum requires HTTP(S) or Git sources')
  if (!sources.some(isGitUrl) && !isDigest(checksum)) throw dockerfileError('invalid checksum digest format')
  return checksum
}

function gitVertex(url: string, checksum: string | undefined, add: InstructionOf<'ADD'>): Vertex {
  const { keepGitDir, range } = add
  const flags = { keepGitDir, ...(checksum === undefined ? {} : { checksum }) }
  try {
    const op: GitOp = { kind: 'git', ...withGitFlags(parseGitUrl(url), flags, url) }
    return createVertex(op, [], { name: url, source: range })
  } catch (cause) {
    throw dockerfileError(cause instanceof Error ? cause.message : String(cause), { source: range, cause })
  }
}

function download(url: string, checksum: string | undefined, { range }: Transfer) {
  const fileName = downloadName(url)
  const op: HttpOp = {
    kind: 'http',
    url,
    fileName,
    ...(checksum !== undefined && isDigest(checksum) ? { checksum } : {}),
  }
  return { vertex: createVertex(op, [], { name: url, source: range }), fileName: literalPattern(fileName) }
}

/** A pattern that matches this name only. Classes, as an escape alone does not make a name a pattern. */
function literalPattern(name: string): string {
  return name.replace(/[*?[\\]/g, (character) => (character === '\\' ? '[\\\\]' : `[${character}]`))
}

function startPlan(state: StageState, instruction: Transfer, parents: boolean): Plan {
  const { range } = instruction
  const value = (word: string) => expand(state, word, range)
  const owner = instruction.chown === undefined ? '' : value(instruction.chown)
  const chmod = instruction.chmod === undefined ? '' : value(instruction.chmod)
  const mode = chmod === '' ? undefined : checkFileMode(chmod)
  return {
    state,
    instruction,
    sources: instruction.sources.map(value),
    destination: value(instruction.destination),
    settings: {
      ...(owner === '' ? {} : { owner }),
      ...(mode === undefined ? {} : { mode }),
      exclude: instruction.exclude,
      parents,
      // A layer of its own cannot have its modes changed afterwards: --chmod makes --link an ordinary copy.
      link: instruction.link && mode === undefined,
    },
    actions: [],
    inputs: [state.vertex],
  }
}

function inputIndex(plan: Plan, vertex: Vertex): number {
  const known = plan.inputs.findIndex((input, index) => index > 0 && input.digest === vertex.digest)
  return known === -1 ? plan.inputs.push(vertex) - 1 : known
}

function absoluteDestination({ state, destination }: Plan): string {
  return destinationPath(state.image.workingDir ?? '/', destination)
}

interface CopyWhat {
  readonly sources: readonly string[]
  readonly unpack: boolean
  /** Absent is what the instruction says. */
  readonly parents?: boolean
}

/** Adds a copy; sources that follow each other from one place are one action. */
function addCopy(plan: Plan, { vertex, ownership }: FileSource, what: CopyWhat): void {
  const { sources, unpack, parents = plan.settings.parents } = what
  if (sources.length === 0) return
  if (plan.open?.from === vertex && plan.open.unpack === unpack) {
    for (const source of sources) plan.open.sources.push(source)
    return
  }
  plan.open = { from: vertex, unpack, sources: [...sources] }
  plan.actions.push({
    type: 'copy',
    input: inputIndex(plan, vertex),
    sources: plan.open.sources,
    destination: absoluteDestination(plan),
    ...plan.settings,
    parents,
    ownership,
    unpack,
  })
}

const HEREDOC_MODE = 0o644

function addHeredoc(plan: Plan, heredoc: Heredoc): void {
  const { settings, state, instruction } = plan
  const body = heredocBody(heredoc)
  const file = {
    type: 'mkfile',
    name: heredocFileName(heredoc),
    content: heredoc.expand
      ? expand(state, body, instruction.range, { escape: '\\', quotes: 'literal' })
      : body,
  } as const
  const mode = settings.mode === undefined ? HEREDOC_MODE : octalMode(settings.mode)
  if (mode === undefined || settings.link) {
    addCopy(
      plan,
      {
        vertex: heredocVertex(
          { ...file, destination: '/', mode: HEREDOC_MODE },
          instruction,
          state.scope.time,
        ),
        ownership: 'root',
      },
      {
        sources: [literalPattern(heredoc.name)],
        unpack: false,
        // A heredoc has no path to keep.
        parents: false,
      },
    )
    return
  }
  const owner = settings.owner === undefined ? {} : { owner: settings.owner }
  plan.actions.push({ ...file, destination: absoluteDestination(plan), ...owner, mode })
}

/** A root with the heredoc as its one file, for what only a copy can do: symbolic modes and --link. */
function heredocVertex(file: MkfileAction, { range }: Transfer, time: number | undefined): Vertex {
  const scratch = createVertex({ kind: 'scratch' }, [], { name: 'scratch' })
  const name = `[internal] preparing inline document ${file.name}`
  return createVertex(fileOp([file], time), [scratch], { name, source: range })
}

function fileOp(actions: readonly FileAction[], time: number | undefined): FileOp {
  return { kind: 'file', actions, ...(time === undefined ? {} : { time }) }
}

function finish(plan: Plan): void {
  const { state, instruction } = plan
  for (const heredoc of instruction.heredocs) addHeredoc(plan, heredoc)
  if (state.scope.isInspection) return
  state.vertex = createVertex(fileOp(plan.actions, state.scope.time), plan.inputs, {
    name: nextStepName(state, stepText(instruction)),
    source: instruction.range,
  })
  addHistory(state.image, historyText(plan), 'layer')
}

function historyText({ instruction, sources, destination, settings }: Plan): string {
  const words = [
    instruction.name,
    ...(settings.parents ? ['--parents'] : []),
    ...(settings.owner === undefined ? [] : [`--chown=${settings.owner}`]),
    ...(settings.mode === undefined ? [] : [`--chmod=${settings.mode}`]),
    ...sources,
    ...instruction.heredocs.map((heredoc) => `<<${heredoc.name}`),
    destination,
  ]
  return `${words.join(' ')} # buildkit`
}
