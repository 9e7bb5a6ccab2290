import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { ancestry, commandOf, holdersOf, ownNamespaces, processesWith } from '../support/process-tree.ts'
import { rungs } from '../support/rungs.ts'
import { createWorkspace } from '../support/workspace.ts'

const base = await miniBase()
/** Milliseconds by which everything has to be gone. SIGTERM gets two seconds before SIGKILL. */
const GONE_MS = 15_000

/** Ignores what can be ignored, as do those that it leaves behind. */
const run = (
  token: string,
): string => `trap "" TERM INT HUP QUIT PIPE; setsid sh -c 'trap "" TERM; sleep ${token}1 & sleep ${token}2' &
  sleep ${token}3 & echo reached; while true; do sleep ${token}4; done`

interface Death {
  readonly how: string
  readonly signal: NodeJS.Signals
  /** Which of those from the RUN up to the program itself; the command of the first that matches. */
  readonly of: 'group' | RegExp
  readonly status?: number
}

const DEATHS: readonly Death[] = [
  { how: 'Ctrl-C', signal: 'SIGINT', of: 'group', status: 130 },
  { how: 'kill -9 of the program', signal: 'SIGKILL', of: /^\S*node \S*ossb\.js/ },
  { how: 'kill -9 of what supervises the RUN', signal: 'SIGKILL', of: /ossb-helper (run|trace)/, status: 1 },
]

describe.each(await rungs())('on $name', (rung) => {
  test.each(DEATHS)(
    '$how leaves no process, mount or namespace of a RUN that ignores signals',
    async (death) => {
      await using workspace = await createWorkspace(rung.identity)
      await workspace.write({
        'app/Dockerfile': `FROM oci-layout://${base}:base\nRUN ${run(workspace.token).replaceAll('\n', '\\\n')}\n`,
      })
      const running = rung.start(workspace, ['build', '--progress', 'plain', 'app'])
      await running.waitFor(/^#\d+ [\d.]+ reached/m)
      const top = running.child.pid ?? 0
      const [sleeper] = await processesWith(`${workspace.token}3`).then((found) =>
        found.toSorted((a, b) => b - a),
      )
      if (sleeper === undefined) throw new Error('the RUN does not run')
      const namespaces = await ownNamespaces(sleeper)
      expect(namespaces.some((link) => link.startsWith('pid:'))).toBe(rung.hasNamespaces)
      const chain = await Promise.all(
        (await ancestry(sleeper, top)).map(async (pid) => ({ pid, command: await commandOf(pid) })),
      )
      const { of } = death
      const victim = of === 'group' ? -top : chain.findLast(({ command }) => of.test(command))?.pid
      if (victim === undefined) throw new Error(`nothing to kill among ${JSON.stringify(chain)}`)
      process.kill(victim, death.signal)
      const { status } = await running.done
      if (death.status !== undefined) expect(status).toBe(death.status)
      await expect.poll(() => holdersOf(namespaces), { timeout: GONE_MS }).toEqual([])
      const left = async () => (await workspace.leftovers()).filter((what) => /^(process|mount)/.test(what))
      await expect.poll(left, { timeout: GONE_MS }).toEqual([])
    },
  )
})
