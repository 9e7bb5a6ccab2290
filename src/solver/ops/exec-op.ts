import { OssbError, StepFailedError } from '../../core/index.ts'
import type { Emulation, Executor } from '../../executors/index.ts'
import { lstatIfPresent, resolveInRoot, selectSources } from '../../fs/index.ts'
import type { ExecOp, Mount, Vertex } from '../../graph/index.ts'
import type { FileSession } from '../../native/index.ts'
import type { StorePaths, Workspace } from '../../store/index.ts'
import type { InputSelection, OpRunner } from '../op-runner.ts'
import type { Credentials } from './exec-credentials.ts'
import { prepareMounts } from './exec-mounts.ts'
import { selectionDigest } from './selection-digest.ts'

export interface ExecRunnerOptions extends Credentials {
  readonly executor: Executor
  readonly emulation: Emulation
  readonly session: FileSession
  readonly workspace: Workspace
  readonly paths: StorePaths
}

/** BuildKit's name for the machine that a RUN sees. */
const HOSTNAME = 'buildkitsandbox'
const SHM_BYTES = 64 * 1024 * 1024

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Carries out RUN. */
export function createExecRunner(options: ExecRunnerOptions): OpRunner<ExecOp> {
  return {
    selections: (op) => op.mounts.flatMap((mount) => selectionOf(mount, options.session) ?? []),
    run: async (op, vertex, root, trees, job) => {
      const { rootfs } = root
      const emulated = await options.emulation.prepare(
        {
          rootfs,
          program: op.args[0] ?? '',
          path: lastValue(op.env, 'PATH') ?? DEFAULT_PATH,
          platform: op.platform,
        },
        job,
      )
      await using mounts = await prepareMounts(mountsOf(op, vertex), trees, options, job)
      const { exitCode, signal } = await options.executor.run(
        {
          args: op.args,
          env: environmentOf(op, vertex, mounts.env),
          cwd: op.cwd,
          user: op.user,
          hostname: op.hostname ?? HOSTNAME,
          network: op.network,
          security: op.security,
          mounts: mounts.list,
          extraHosts: vertex.unkeyed?.extraHosts ?? [],
          shmSize: op.shmSize ?? SHM_BYTES,
          limits: op.ulimits ?? [],
          ...emulated,
        },
        rootfs,
        job,
      )
      if (exitCode === 0) return
      const how =
        signal === undefined ? `exit code: ${exitCode}` : `exit code: ${exitCode} (killed by ${signal})`
      throw new StepFailedError(
        `process "${op.args.join(' ')}" did not complete successfully: ${how}`,
        exitCode,
        exitCode === 127 ? hintOfMissing(op, rootfs) : {},
      )
    },
  }
}

function lastValue(env: readonly string[], name: string): string | undefined {
  return env.findLast((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1)
}

/** An image without a shell cannot run the shell form. */
function hintOfMissing({ args: [program = ''] }: ExecOp, root: string): { readonly hint?: string } {
  const isThere = lstatIfPresent(resolveInRoot(root, program, { last: 'follow' })) !== undefined
  if (!program.startsWith('/') || isThere) return {}
  return {
    hint: `This stage has no "${program}" (one FROM scratch has nothing at all): begin it FROM an image that has it, or write RUN ["PROGRAM", "ARGUMENT"].`,
  }
}

/** The environment of a process; of two values of a name the later one counts, and an agent's socket is a default. */
function environmentOf(op: ExecOp, { unkeyed }: Vertex, secrets: readonly string[]): readonly string[] {
  const agent = op.mounts.find(({ type }) => type === 'ssh')
  const all = [
    ...(agent?.target === undefined ? [] : [`SSH_AUTH_SOCK=${agent.target}`]),
    ...op.env,
    ...(unkeyed?.env ?? []),
    ...secrets,
  ]
  return [...new Map(all.map((entry) => [entry.slice(0, entry.indexOf('=')), entry])).values()]
}

/** A cache that begins as a copy of something is not the one that begins as a copy of something else. */
function mountsOf({ mounts }: ExecOp, { inputs }: Vertex): readonly Mount[] {
  return mounts.map((mount) => {
    if (mount.type !== 'cache' || mount.input === undefined) return mount
    return { ...mount, id: JSON.stringify([mount.id, inputs[mount.input]?.digest, mount.source]) }
  })
}

function selectionOf(mount: Mount, session: FileSession): InputSelection | undefined {
  if (mount.type !== 'bind' && mount.type !== 'cache') return undefined
  const { input, source } = mount
  if (input === undefined) return undefined
  return {
    input,
    digest: async (tree, job) =>
      await selectionDigest(
        tree,
        selectSources(tree, literally(source)),
        { owners: tree.owners === 'root' ? 'ignored' : 'counted' },
        session,
        job,
      ),
  }
}

/** The path of a mount is never a pattern. */
function literally(path: string): string {
  if (!/[*?[\\]/.test(path)) return path
  throw new OssbError('ERR_OSSB_DOCKERFILE', `Cannot mount "${path}": a mount source can't be a pattern`)
}
