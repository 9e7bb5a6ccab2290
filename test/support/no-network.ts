import { type CommandResult, runCommand } from './command.ts'
import type { Workspace } from './workspace.ts'

/** Runs `ossb` in a network namespace of its own: no interface in it is up, not even the loopback one. */
export function ossbWithoutNetwork(workspace: Workspace, args: readonly string[]): Promise<CommandResult> {
  return withoutNetwork(workspace, workspace.identity.program, args)
}

/** The same for another program of the package. */
export function withoutNetwork(
  workspace: Workspace,
  program: string,
  args: readonly string[],
): Promise<CommandResult> {
  const { node, uid, gid } = workspace.identity
  const command = [node, program, ...args]
  const options = { cwd: workspace.path, env: workspace.environment() }
  if (process.getuid?.() !== 0)
    return runCommand(
      'unshare',
      ['--user', '--map-auto', '--map-root-user', '--net', '--', ...command],
      options,
    )
  const as = uid === undefined ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--']
  return runCommand('unshare', ['--net', '--', ...as, ...command], options)
}
