import { OssbError, StepFailedError } from '../../core/index.ts'
import type { Executor } from '../../executors/index.ts'
import { selectSources } from '../../fs/index.ts'
import type { ExecOp, Mount } from '../../graph/index.ts'
import type { FileSession } from '../../native/index.ts'
import type { StorePaths, Workspace } from '../../store/index.ts'
import type { InputSelection, OpRunner } from '../op-runner.ts'
import { assertRunnable } from './emulation.ts'
import { prepareMounts } from './exec-mounts.ts'
import { selectionDigest } from './selection-digest.ts'

export interface ExecRunnerOptions {
  readonly executor: Executor
  readonly session: FileSession
  readonly workspace: Workspace
  readonly paths: StorePaths
}

/** BuildKit's name for the machine that a RUN sees. */
const HOSTNAME = 'buildkitsandbox'
const SHM_BYTES = 64 * 1024 * 1024

/** Carries out RUN. */
export function createExecRunner(options: ExecRunnerOptions): OpRunner<ExecOp> {
  return {
    selections: (op) => op.mounts.flatMap((mount) => selectionOf(mount, options.session) ?? []),
    run: async (op, vertex, root, trees, job) => {
      assertRunnable(op.platform)
      await using mounts = await prepareMounts(op.mounts, trees, options, job)
      const { exitCode, signal } = await options.executor.run(
        {
          args: op.args,
          env: [...op.env, ...(vertex.unkeyed?.env ?? []), ...mounts.env],
          cwd: op.cwd,
          user: op.user,
          hostname: op.hostname ?? HOSTNAME,
          network: op.network,
          security: op.security,
          mounts: mounts.list,
          extraHosts: [],
          shmSize: SHM_BYTES,
        },
        root.rootfs,
        job,
      )
      if (exitCode === 0) return
      const how =
        signal === undefined ? `exit code: ${exitCode}` : `exit code: ${exitCode} (killed by ${signal})`
      throw new StepFailedError(
        `process "${op.args.join(' ')}" did not complete successfully: ${how}`,
        exitCode,
      )
    },
  }
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
        { owners: 'counted' },
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
