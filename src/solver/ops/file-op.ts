import type { Codec } from '../../codec/index.ts'
import { type Job, OssbError } from '../../core/index.ts'
import {
  createPatternMatcher,
  lookupOwner,
  type Owner,
  type PatternMatcher,
  type SelectedSource,
  type SourceTree,
  selectSources,
} from '../../fs/index.ts'
import type { CopyAction, FileAction, FileOp } from '../../graph/index.ts'
import type { FileSession } from '../../native/index.ts'
import type { InputSelection, OpRunner } from '../op-runner.ts'
import { type CopyTarget, createTarget } from './copy-target.ts'
import { selectionDigest } from './selection-digest.ts'
import { unpackArchive } from './unpack-archive.ts'

/** Carries out COPY, ADD and WORKDIR: changes that the builder makes itself, without a process. */
export function createFileRunner(session: FileSession, codec: Codec): OpRunner<FileOp> {
  return {
    selections: (op) =>
      op.actions.flatMap((action) => (action.type === 'copy' ? [selectionOf(action, session)] : [])),
    run: async (op, _vertex, root, trees, job) => {
      const context = { target: createTarget(root.rootfs, session, job, op.time), trees, session, codec }
      for (const action of op.actions) await ACTIONS[action.type](action as never, context, job)
      await context.target.finish()
    },
  }
}

interface ActionContext {
  readonly target: CopyTarget
  readonly trees: ReadonlyMap<number, SourceTree>
  readonly session: FileSession
  readonly codec: Codec
}

type ActionRunner<A extends FileAction> = (action: A, context: ActionContext, job: Job) => Promise<void>

const ACTIONS: { readonly [T in FileAction['type']]: ActionRunner<Extract<FileAction, { type: T }>> } = {
  mkdir: (action, { target }) => {
    target.makeDirectories(action.path, { owner: ownerOf(action.owner, target), mode: action.mode })
    return Promise.resolve()
  },
  mkfile: (action, { target }) =>
    target.writeFile(action.name, Buffer.from(action.content), action.destination, {
      owner: ownerOf(action.owner, target) ?? ROOT,
      mode: action.mode,
    }),
  copy: async (action, context, job) => {
    const tree = context.trees.get(action.input)
    if (tree === undefined)
      throw new OssbError('ERR_OSSB_INTERNAL', `Cannot copy from input ${action.input}: there is none`)
    // The names of owners mean what they mean before anything is copied.
    const chown = ownerOf(action.owner, context.target)
    for (const source of action.sources) {
      for (const selected of selectSources(tree, source))
        await copySource(action, chown, tree, selected, context, job)
    }
  },
}

const ROOT: Owner = { uid: 0, gid: 0 }

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
    ...(action.parents ? { keptPath: source.path } : {}),
  }
  await context.target.copy(tree, source, action.destination, options, job)
}

function ownerOf(spec: string | undefined, target: CopyTarget): Owner | undefined {
  return spec === undefined || spec === '' ? undefined : lookupOwner(target.root, spec)
}

function excludeOf(action: CopyAction): PatternMatcher | undefined {
  return action.exclude.length === 0 ? undefined : createPatternMatcher(action.exclude)
}

function selectionOf(action: CopyAction, session: FileSession): InputSelection {
  return {
    input: action.input,
    digest: async (tree, job) => {
      const exclude = excludeOf(action)
      const selected = action.sources.flatMap((source) => selectSources(tree, source))
      const owners = action.ownership === 'kept' && action.owner === undefined ? 'counted' : 'ignored'
      const options = { owners, ...(exclude === undefined ? {} : { exclude }) } as const
      return await selectionDigest(tree, selected, options, session, job)
    },
  }
}
