import type { Codec } from '../../codec/index.ts'
import { canonicalJson, digestOf, type Job, OssbError } from '../../core/index.ts'
import {
  createPatternMatcher,
  isOwnerByName,
  lookupOwner,
  type Owner,
  type PatternMatcher,
  type SelectedSource,
  type SourceTree,
  selectSources,
  selectWithParents,
} from '../../fs/index.ts'
import type { CopyAction, FileAction, FileOp, Vertex } from '../../graph/index.ts'
import type { FileSession } from '../../native/index.ts'
import type { InputSelection, OpRunner } from '../op-runner.ts'
import { type CopyTarget, createTarget } from './copy-target.ts'
import { selectionDigest } from './selection-digest.ts'
import { unpackArchive } from './unpack-archive.ts'

/** Carries out COPY, ADD and WORKDIR: changes that the builder makes itself, without a process. */
export function createFileRunner(session: FileSession, codec: Codec): OpRunner<FileOp> {
  return {
    isIndependent,
    selections: (op) => [
      ...(isIndependent(op) && op.actions.some(hasOwnerByName) ? [ownersSelection(op)] : []),
      ...op.actions.flatMap((action) => (action.type === 'copy' ? [selectionOf(action, session)] : [])),
    ],
    run: async (op, vertex, { rootfs: root }, trees, job) => {
      const time = op.time === undefined ? {} : { mtimeNs: BigInt(op.time) * 1_000_000_000n }
      const target = createTarget({ root, session, ...time }, job)
      const context = { target, trees, session, codec }
      // Names mean what they mean below, before anything is copied.
      const owners = ownersOf(op, vertex, trees.get(BELOW)?.root ?? root)
      for (const [i, action] of op.actions.entries())
        await ACTIONS[action.type](action as never, owners[i], context, job)
      await target.finish()
    },
  }
}

/** The input that the operation's layer lies above. */
const BELOW = 0

/** --link: the layer is made in an empty root, so that it is the same above any other. */
function isIndependent({ actions }: FileOp): boolean {
  return actions.length > 0 && actions.every((action) => action.type === 'copy' && action.link)
}

function hasOwnerByName({ owner = '' }: FileAction): boolean {
  return isOwnerByName(owner)
}

/** Who the names of owners are: all that an independent operation reads of what lies below it. */
function ownersSelection(op: FileOp): InputSelection {
  const digest = (tree: SourceTree) =>
    digestOf(canonicalJson(op.actions.map(({ owner = '' }) => lookupOwner(tree.root, owner))))
  return { input: BELOW, digest: (tree) => Promise.resolve(digest(tree)) }
}

function ownersOf({ actions }: FileOp, vertex: Vertex, root: string): readonly (Owner | undefined)[] {
  if (vertex.inputs[BELOW]?.op.kind === 'scratch' && actions.some(hasOwnerByName))
    throw new OssbError('ERR_OSSB_NOT_FOUND', 'invalid user index: -1', {
      hint: 'A stage FROM scratch has no users and groups to look names up in: give the owner by number.',
    })
  return actions.map(({ owner = '' }) => (owner === '' ? undefined : lookupOwner(root, owner)))
}

interface ActionContext {
  readonly target: CopyTarget
  readonly trees: ReadonlyMap<number, SourceTree>
  readonly session: FileSession
  readonly codec: Codec
}

type ActionRunner<A extends FileAction> = (
  action: A,
  owner: Owner | undefined,
  context: ActionContext,
  job: Job,
) => Promise<void>

const ACTIONS: { readonly [T in FileAction['type']]: ActionRunner<Extract<FileAction, { type: T }>> } = {
  mkdir: (action, owner, { target }) => {
    target.makeDirectories(action.path, { owner, mode: action.mode })
    return Promise.resolve()
  },
  mkfile: (action, owner = ROOT, { target }) => {
    target.writeFile(action.name, Buffer.from(action.content), action.destination, {
      owner,
      mode: action.mode,
    })
    return Promise.resolve()
  },
  copy: async (action, chown, context, job) => {
    const tree = context.trees.get(action.input)
    if (tree === undefined)
      throw new OssbError('ERR_OSSB_INTERNAL', `Cannot copy from input ${action.input}: there is none`)
    for (const source of action.sources) {
      for (const selected of select(tree, source, action))
        await copySource(action, chown, tree, selected, context, job)
    }
  },
}

const ROOT: Owner = { uid: 0, gid: 0 }

function select(tree: SourceTree, source: string, { parents }: CopyAction): readonly SelectedSource[] {
  return parents ? selectWithParents(tree, source) : selectSources(tree, source)
}

async function copySource(
  action: CopyAction,
  chown: Owner | undefined,
  tree: SourceTree,
  source: SelectedSource,
  context: ActionContext,
  job: Job,
): Promise<void> {
  if (action.unpack && (await unpackArchive(source, action.destination, chown, context, job))) return
  const owner = chown ?? (action.ownership === 'root' ? ROOT : undefined)
  const exclude = excludeOf(action)
  const options = {
    ...(owner === undefined ? {} : { owner }),
    ...(chown === undefined ? {} : { chown }),
    ...(action.mode === undefined ? {} : { mode: action.mode }),
    ...(exclude === undefined ? {} : { exclude }),
  }
  await context.target.copy(tree, source, action.destination, options, job)
}

function excludeOf(action: CopyAction): PatternMatcher | undefined {
  return action.exclude.length === 0 ? undefined : createPatternMatcher(action.exclude)
}

function selectionOf(action: CopyAction, session: FileSession): InputSelection {
  return {
    input: action.input,
    digest: async (tree, job) => {
      const exclude = excludeOf(action)
      const selected = action.sources.flatMap((source) => select(tree, source, action))
      const owners = action.ownership === 'kept' && action.owner === undefined ? 'counted' : 'ignored'
      const options = { owners, ...(exclude === undefined ? {} : { exclude }) } as const
      return await selectionDigest(tree, selected, options, session, job)
    },
  }
}
