import type { Codec } from '../codec/index.ts'
import {
  familiarReference,
  formatPlatform,
  type Job,
  OssbError,
  parsePlatform,
  parseReference,
} from '../core/index.ts'
import type { Owner } from '../fs/index.ts'
import type { NamedContext, SourceTime } from '../graph/index.ts'
import { applyLayer, isTarArchive, openArchive } from '../layer/index.ts'
import type { FileSession } from '../native/index.ts'
import type { BuildOptions } from '../options/index.ts'
import { askCloud, requireReach } from '../registry/index.ts'
import {
  type BuildInput,
  type ContextSpec,
  type ContextTree,
  checkOut,
  download,
  type Gathered,
  type HttpClient,
  type InputOptions,
  openContext,
  parseContext,
  type Secrets,
  type SourceServices,
} from '../sources/index.ts'
import type { StorePaths, Workspace } from '../store/index.ts'

interface SourceParts {
  readonly codec: Codec
  readonly session: FileSession
  readonly workspace: Workspace
  readonly paths: StorePaths
  readonly http: HttpClient
  readonly secrets: Secrets
  /** What was gathered before. */
  readonly archive?: Gathered
}

/** What the sources of a build work with. What is unpacked for a context belongs to `owner`: root, in a build. */
export function createSources(
  options: Pick<BuildOptions, 'environment' | 'standardInput' | 'allowedHosts'>,
  { codec, session, workspace, paths, http, secrets, archive }: SourceParts,
  owner: Owner = ROOT,
): SourceServices {
  const { environment, standardInput, allowedHosts } = options
  return {
    http,
    ask: askCloud(options),
    environment,
    ...(allowedHosts === undefined ? {} : { requireReach: (url) => requireReach(url, options) }),
    secret: (id) => {
      const value = secrets.read(id)
      return value === undefined ? undefined : Buffer.from(value).toString('utf8')
    },
    downloads: paths.downloads,
    directory: () => workspace.directory(),
    commits: new Map(),
    ...(archive === undefined ? {} : { gathered: archive }),
    archives: {
      isArchive: (path) => isTarArchive(path, codec),
      unpack: (path, root, job) =>
        applyLayer(openArchive(path, codec), { root, whiteouts: 'literal', owner }, session, job),
    },
    ...(standardInput === undefined ? {} : { standardInput }),
  }
}

const ROOT = { uid: 0, gid: 0 }

type NamedSpec = Exclude<ContextSpec, { type: 'stdin' }>

/**
 * The contexts of --build-context, by names as the frontend looks for them.
 * @throws OssbError ERR_OSSB_USAGE for a name that can't be one, ERR_OSSB_CONTEXT for a value that can't
 */
export function namedContexts({
  buildContexts = {},
}: Pick<BuildOptions, 'buildContexts'>): ReadonlyMap<string, NamedSpec> {
  return new Map(
    Object.entries(buildContexts).map(([name, text]) => [contextName(name), namedSpec(name, text)]),
  )
}

/** The same as the frontend knows them. */
export function namesOf(named: ReadonlyMap<string, NamedSpec>): readonly NamedContext[] {
  return Array.from(named, ([name, spec]) => ({
    name,
    ...(spec.type === 'image' ? { image: spec.reference } : {}),
  }))
}

function namedSpec(name: string, text: string): NamedSpec {
  const spec = parseContext(text)
  if (spec.type !== 'stdin') return spec
  throw new OssbError(
    'ERR_OSSB_USAGE',
    `Cannot read the context "${name}" from standard input: only the main one can be there`,
  )
}

function contextName(text: string): string {
  const at = text.indexOf('::')
  const name = at === -1 ? text : text.slice(0, at)
  if (name === 'scratch' || name === 'context')
    throw new OssbError(
      'ERR_OSSB_USAGE',
      `Cannot use "${name}" as the name of a context: it means something else`,
    )
  const platform = at === -1 ? '' : `::${formatPlatform(parsePlatform(text.slice(at + 2)))}`
  return `${familiarName(name.toLowerCase())}${platform}`
}

/** A context may stand for an image, which has more than one name. */
function familiarName(name: string): string {
  return familiarReference(parseReference(name)).replace(/:latest$/, '')
}

/** What of a build says where its main context and its Dockerfile are. */
export function inputOptions(
  {
    dockerfile,
    buildArgs,
    contextSubdirectory,
  }: Pick<BuildOptions, 'dockerfile' | 'buildArgs' | 'contextSubdirectory'>,
  context: ContextSpec,
): InputOptions {
  return {
    context,
    ...(dockerfile === undefined ? {} : { dockerfile }),
    ...(contextSubdirectory === undefined ? {} : { subdirectory: contextSubdirectory }),
    keepGitDir: /^(?:1|t|true)$/i.test(buildArgs['BUILDKIT_CONTEXT_KEEP_GIT_DIR'] ?? ''),
  }
}

/** What brings contexts here, by name. */
type ContextOpeners = ReadonlyMap<string, (job: Job) => Promise<ContextTree>>

/** What brings each context here, once, when a step first needs it. */
export function openersOf(
  { tree, time }: BuildInput,
  named: ReadonlyMap<string, NamedSpec>,
  sources: SourceServices,
): ContextOpeners {
  const main: ContextTree = { ...tree, ...(time === undefined ? {} : { time }) }
  const openers = new Map<string, (job: Job) => Promise<ContextTree>>([
    ['context', () => Promise.resolve(main)],
  ])
  for (const [name, spec] of named) {
    if (spec.type !== 'image')
      openers.set(
        name,
        once((job) => openContext(spec, sources, job)),
      )
  }
  return openers
}

function once<T>(open: (job: Job) => Promise<T>): (job: Job) => Promise<T> {
  let opened: Promise<T> | undefined
  return (job) => (opened ??= open(job))
}

/** How old what a build takes from elsewhere is. */
export function timesOf(contexts: ContextOpeners, sources: SourceServices): SourceTime {
  return async (source, job) => {
    switch (source.kind) {
      case 'context':
        return (await contexts.get(source.name)?.(job))?.time
      case 'git':
        return (await checkOut(source, sources, job)).time
      case 'http': {
        const { modified } = await download(source, sources, job)
        return modified > 0 ? modified : undefined
      }
      default:
        return source satisfies never
    }
  }
}
