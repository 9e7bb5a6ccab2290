import { expect, test } from 'vitest'
import { prepareRungImage } from '../support/rung-image.ts'
import { type Rung, rungs } from '../support/rungs.ts'
import { createWorkspace } from '../support/workspace.ts'

/** Each build unpacks a distribution and may copy it at each step, and all run beside each other: milliseconds. */
const TIMEOUT = 800_000
const all = await rungs()

async function build(rung: Rung): Promise<readonly string[]> {
  await using workspace = await createWorkspace(rung.identity)
  await using image = await prepareRungImage(workspace)
  const { status, stderr } = await rung.start(workspace, image.args, { timeout: TIMEOUT }).done
  expect(status, `${rung.name}: ${stderr}`).toBe(0)
  expect(await workspace.leftovers(), rung.name).toEqual([])
  return await image.diffIds()
}

test(
  'every rung builds the same image of one Dockerfile',
  async () => {
    const built = await Promise.all(all.map(build))
    expect(built[0]?.length).toBeGreaterThan(8)
    for (const [index, rung] of all.entries()) expect(built[index], rung.name).toEqual(built[0])
  },
  TIMEOUT,
)
