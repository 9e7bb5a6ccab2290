import { expect, test } from 'vitest'
import { canRunContainers, type Docker, startDocker } from '../support/container.ts'
import { type Identity, identities } from '../support/identity.ts'
import { prepareRungImage } from '../support/rung-image.ts'
import { createWorkspace } from '../support/workspace.ts'

/** A place to build in; `container` where that is a container of Docker's defaults with these options. */
interface Rung {
  readonly name: string
  readonly identity: Identity
  readonly env?: Readonly<Record<string, string>>
  readonly container?: readonly string[]
}

const known = await identities()
const root = known.find(({ name }) => name === 'root')
const user = known.find(({ name }) => name === 'ordinary user')
if (user === undefined) throw new Error('there is no ordinary user')

const rungs: readonly Rung[] = [
  { name: 'user with ids', identity: user },
  { name: 'user with one id', identity: user, env: { OSSB_ID_RANGE: 'none' } },
  ...(root === undefined ? [] : [{ name: 'root', identity: root }]),
  ...(root === undefined || !canRunContainers
    ? []
    : [
        { name: 'root in a container', identity: root, container: [] },
        {
          name: 'root in a read-only container',
          identity: root,
          container: ['--read-only', '--shm-size=64m'],
        },
      ]),
]

async function build({ identity, env, container }: Rung, docker: Docker | undefined) {
  await using workspace = await createWorkspace(identity)
  await using image = await prepareRungImage(workspace)
  if (container === undefined) await workspace.mustOssb(image.args, env === undefined ? {} : { env })
  else {
    const volumes = [workspace.path, image.base]
    const places = {
      XDG_CACHE_HOME: workspace.path,
      TMPDIR: workspace.file('tmp'),
      HOME: workspace.file('home'),
    }
    await docker?.mustOssb(image.args, { volumes, options: container, env: places })
  }
  expect(await workspace.leftovers('54321')).toEqual([])
  return await image.diffIds()
}

test('every rung builds the same image of one Dockerfile', async () => {
  await using docker = canRunContainers ? await startDocker() : undefined
  const [first, ...others] = rungs
  const expected = first === undefined ? [] : await build(first, docker)
  expect(expected.length).toBeGreaterThan(8)
  const built = await Promise.all(others.map(async (rung) => [rung.name, await build(rung, docker)]))
  for (const [name, diffIds] of built) expect(diffIds, String(name)).toEqual(expected)
})
