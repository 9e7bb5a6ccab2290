import type { RunningCommand } from './command.ts'
import { type Identity, identities } from './identity.ts'
import type { OssbOptions, Workspace } from './workspace.ts'

/** One way in which a build isolates its RUN steps. What holds for one holds for all: tests go by this table. */
export interface Rung {
  readonly name: string
  /** Who owns the workspace and builds. */
  readonly identity: Identity
  /** What `hostile.test.ts` finds that it can't keep a RUN from, by the names that it uses there. */
  readonly weaknesses: readonly string[]
  /** Whether a RUN is in namespaces of its own. */
  readonly hasNamespaces: boolean
  start(workspace: Workspace, args: readonly string[], options?: OssbOptions): RunningCommand
}

/** Those that this machine and whoever runs the tests can have, the strongest first. */
export async function rungs(): Promise<readonly Rung[]> {
  return (await identities()).flatMap((identity) =>
    identity.name === 'root'
      ? [ownRung('rung 1 (root)', identity, {})]
      : [
          ownRung('rung 2 (id range)', identity, {}),
          ownRung('rung 3 (one id)', identity, { OSSB_ID_RANGE: 'none' }),
          {
            ...ownRung('rung 5 (traced)', identity, { OSSB_EXECUTOR: 'traced' }),
            // Nothing there has a size of its own.
            weaknesses: ['shm', 'dev'],
            hasNamespaces: false,
          },
        ],
  )
}

function ownRung(name: string, identity: Identity, env: Readonly<Record<string, string>>): Rung {
  return {
    name,
    identity,
    weaknesses: [],
    hasNamespaces: true,
    start: (workspace, args, options = {}) =>
      workspace.startOssb(args, { ...options, env: { ...env, ...options.env } }),
  }
}
