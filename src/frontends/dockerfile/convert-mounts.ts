import { posix } from 'node:path'
import type { SourceRange } from '../../core/index.ts'
import type { Mount, Vertex } from '../../graph/index.ts'
import { buildArg } from './arguments.ts'
import { absolutePath } from './container-path.ts'
import { contextVertex } from './contexts.ts'
import { dockerfileError } from './dockerfile-error.ts'
import { goQuote } from './go-format.ts'
import type { InstructionOf } from './instructions.ts'
import type { MountFields } from './mount-fields.ts'
import { type MountSettings, readMountSettings } from './mount-settings.ts'
import { expand, type StageState } from './stage-state.ts'

export interface ConvertedMounts {
  readonly mounts: readonly Mount[]
  /** The vertex's inputs from index 1 on. */
  readonly inputs: readonly Vertex[]
}

interface MountContext {
  readonly state: StageState
  readonly range: SourceRange
  /** The index of an input, which is added where it is new. */
  input(vertex: Vertex): number
  /** How many ssh mounts there were before. */
  sshCount: number
}

/** The --mount flags of a RUN. */
export function convertMounts(state: StageState, { mounts, range }: InstructionOf<'RUN'>): ConvertedMounts {
  const inputs: Vertex[] = []
  const context: MountContext = {
    state,
    range,
    input(vertex) {
      const known = inputs.findIndex((input) => input.digest === vertex.digest)
      return known === -1 ? inputs.push(vertex) : known + 1
    },
    sshCount: 0,
  }
  return { mounts: mounts.map((fields) => convertMount(fields, context)), inputs }
}

function convertMount(fields: MountFields, context: MountContext): Mount {
  const settings = readMountSettings(fields, (value) => expand(context.state, value, context.range))
  const builders: Readonly<Record<MountSettings['type'], () => Mount>> = {
    bind: () => bindMount(settings, context),
    cache: () => cacheMount(settings, context),
    tmpfs: () => ({
      type: 'tmpfs',
      target: requiredTarget(settings, context),
      ...(settings.size === undefined ? {} : { size: settings.size }),
      ...(settings.access === 'read' ? { readonly: true } : {}),
    }),
    secret: () => secretMount(settings, context),
    ssh: () => sshMount(settings, context),
  }
  const mount = builders[settings.type]()
  noteMount(mount, context)
  return mount
}

function noteMount(mount: Mount, { state: { scope }, range }: MountContext): void {
  const { outline } = scope
  if (mount.type === 'secret') outline.secrets.push({ id: mount.id, required: mount.required, source: range })
  else if (mount.type === 'ssh') outline.ssh.push({ id: mount.id, required: mount.required, source: range })
  else if (mount.type === 'cache') outline.caches.push({ id: mount.id, required: false, source: range })
}

function targetPath(target: string, { state }: MountContext): string {
  const path = absolutePath(state.image.workingDir ?? '/', target)
  if (path === '/') throw dockerfileError('invalid mount target "/"')
  return path
}

function requiredTarget(settings: MountSettings, context: MountContext): string {
  return targetPath(settings.target ?? '', context)
}

function sourceVertex(settings: MountSettings, { state, range }: MountContext): Vertex {
  if (settings.from === undefined) return contextVertex('context')
  const source = state.sources.get(settings.from.toLowerCase())
  if (source === undefined)
    throw dockerfileError(`cannot find ${goQuote(settings.from)} to mount from`, { source: range })
  return source.vertex
}

function bindMount(settings: MountSettings, context: MountContext): Mount {
  return {
    type: 'bind',
    target: requiredTarget(settings, context),
    input: context.input(sourceVertex(settings, context)),
    source: absolutePath('/', settings.source ?? '/'),
    readonly: settings.access !== 'write',
  }
}

function cacheMount(settings: MountSettings, context: MountContext): Mount {
  const target = requiredTarget(settings, context)
  const namespace = buildArg(context.state.scope.input, 'BUILDKIT_CACHE_MOUNT_NS')
  const id = settings.id ?? cleanPath(settings.target ?? '')
  return {
    type: 'cache',
    target,
    id: namespace === undefined || namespace === '' ? id : `${namespace}/${id}`,
    sharing: settings.sharing ?? 'shared',
    readonly: settings.access === 'read',
    ...(settings.from === undefined ? {} : { input: context.input(sourceVertex(settings, context)) }),
    source: absolutePath('/', settings.source ?? '/'),
    mode: settings.mode ?? 0o755,
    uid: settings.uid ?? 0,
    gid: settings.gid ?? 0,
  }
}

/** Go's path.Clean. */
function cleanPath(path: string): string {
  const normal = posix.normalize(path)
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal
}

function secretMount(settings: MountSettings, context: MountContext): Mount {
  const id = settings.id ?? settings.source ?? posix.basename(settings.target ?? '')
  if (id === '') throw dockerfileError('invalid secret mount. one of source, target required')
  const target =
    settings.target ?? (settings.env === undefined ? `/run/secrets/${posix.basename(id)}` : undefined)
  return {
    type: 'secret',
    id,
    ...(target === undefined ? {} : { target: targetPath(target, context) }),
    ...(settings.env === undefined ? {} : { env: settings.env }),
    required: settings.required,
    mode: settings.mode ?? 0o400,
    uid: settings.uid ?? 0,
    gid: settings.gid ?? 0,
  }
}

function sshMount(settings: MountSettings, context: MountContext): Mount {
  const target = settings.target ?? `/run/buildkit/ssh_agent.${context.sshCount}`
  context.sshCount += 1
  return {
    type: 'ssh',
    id: settings.id ?? settings.source ?? 'default',
    target: targetPath(target, context),
    required: settings.required,
    mode: settings.mode ?? 0o600,
    uid: settings.uid ?? 0,
    gid: settings.gid ?? 0,
  }
}
