import { type Digest, formatPlatform, type Platform, type SourceRange } from '../core/index.ts'
import { type Plan, topological, type Vertex } from '../graph/index.ts'
import {
  type ContextSpec,
  checkoutName,
  type GitSource,
  gitName,
  type InputOptions,
  isHttpUrl,
  urlName,
} from '../sources/index.ts'

/** Something that a build takes from elsewhere, and where it says so; absent is the command line. */
export type NeededInput = { readonly source?: SourceRange } & (
  | { readonly kind: 'image'; readonly reference: string; readonly platform: Platform }
  | { readonly kind: 'url'; readonly url: string; readonly checksum?: Digest }
  | { readonly kind: 'git'; readonly git: GitSource }
)

/** The context that keeps its repository when it is asked to is another checkout. */
function withGitDir(context: ContextSpec, keepGitDir: boolean): ContextSpec {
  return context.type === 'git' && keepGitDir ? { ...context, git: { ...context.git, keepGitDir } } : context
}

/** The main context and the Dockerfile, where they are elsewhere. */
export function neededByOptions({ context, dockerfile, keepGitDir }: InputOptions): readonly NeededInput[] {
  return [
    ...neededByContext(withGitDir(context, keepGitDir), undefined),
    ...(dockerfile !== undefined && isHttpUrl(dockerfile) ? [{ kind: 'url' as const, url: dockerfile }] : []),
  ]
}

/** All that the target of a plan needs. Images in layouts of this machine are no input from elsewhere. */
export function neededByPlan(plan: Plan, named: ReadonlyMap<string, ContextSpec>): readonly NeededInput[] {
  return topological(plan.root).flatMap((vertex) => neededBy(vertex, named))
}

function neededBy({ op, source }: Vertex, named: ReadonlyMap<string, ContextSpec>): readonly NeededInput[] {
  const at = source === undefined ? {} : { source }
  switch (op.kind) {
    case 'image':
      return isLayout(op.reference)
        ? []
        : [{ kind: 'image', reference: op.reference, platform: op.platform, ...at }]
    case 'http':
      return [
        {
          kind: 'url',
          url: op.url,
          ...(op.checksum === undefined ? {} : { checksum: op.checksum }),
          ...at,
        },
      ]
    case 'git': {
      const { kind: _kind, ...git } = op
      return [{ kind: 'git', git, ...at }]
    }
    case 'context':
      return neededByContext(named.get(op.name), source)
    case 'scratch':
    case 'exec':
    case 'file':
      return []
    default:
      return op satisfies never
  }
}

function neededByContext(
  spec: ContextSpec | undefined,
  source: SourceRange | undefined,
): readonly NeededInput[] {
  const at = source === undefined ? {} : { source }
  if (spec?.type === 'http') return [{ kind: 'url', url: spec.url, ...at }]
  if (spec?.type === 'git') return [{ kind: 'git', git: spec.git, ...at }]
  return []
}

function isLayout(reference: string): boolean {
  return /^oci(?:-layout:\/\/|:)/.test(reference)
}

/** What an input is called in messages and lock files. */
export function inputName(input: NeededInput): string {
  if (input.kind === 'image') return input.reference
  return input.kind === 'url' ? urlName(input.url) : gitName(input.git)
}

/** Each thing that has to be gathered, once: a checkout serves all of its directories. */
export function uniqueInputs(inputs: readonly NeededInput[]): readonly NeededInput[] {
  return [...new Map(inputs.map((input) => [gatherKey(input), input])).values()]
}

function gatherKey(input: NeededInput): string {
  if (input.kind === 'image') return `image ${formatPlatform(input.platform)} ${input.reference}`
  return input.kind === 'url' ? `url ${urlName(input.url)}` : `git ${checkoutName(input.git)}`
}

/** `Dockerfile:3   image  alpine:3.20`, one line for each, in the order of the file. */
export function inputLines(
  inputs: readonly { readonly input: NeededInput; readonly note?: string }[],
): readonly string[] {
  const rows = inputs
    .map(({ input, note }) => ({
      line: input.source?.startLine ?? 0,
      place: input.source === undefined ? 'command line' : `${input.source.file}:${input.source.startLine}`,
      text: `${input.kind.padEnd(5)}  ${inputName(input)}${note === undefined ? '' : `: ${note}`}`,
    }))
    .sort((a, b) => a.line - b.line)
  const width = Math.max(0, ...rows.map(({ place }) => place.length))
  return [...new Set(rows.map(({ place, text }) => `  ${place.padEnd(width)}  ${text}`))]
}
