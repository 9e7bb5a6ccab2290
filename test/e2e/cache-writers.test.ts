import { afterAll, beforeAll, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { identities } from '../support/identity.ts'
import { readProgress } from '../support/progress.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { createWorkspace } from '../support/workspace.ts'

const WRITERS = [1, 2, 3, 4, 5, 6, 7, 8]

const base = await miniBase()
const [identity] = (await identities()).slice(-1)
if (identity === undefined) throw new Error('nobody runs the tests')

let registry: RunningRegistry
beforeAll(async () => {
  registry = await startRegistry()
})
afterAll(() => registry.stop())

test('of eight machines that write one cache of a real registry at once, none loses what another needs', async () => {
  await using workspace = await createWorkspace(identity)
  const dockerfile = (n: number) =>
    `FROM oci-layout://${base}:base\nRUN echo shared > /shared\nRUN echo ${n} > /own\nCOPY Dockerfile /\n`
  await workspace.write(Object.fromEntries(WRITERS.map((n) => [`app${n}/Dockerfile`, dockerfile(n)])))
  const cache = `type=registry,ref=${registry.host}/team/cache:main`
  const build = async (n: number, machine: string, flag: string) => {
    const place = ['--cache-dir', workspace.file(`${machine}${n}`), `--insecure-registry=${registry.host}`]
    const { stderr } = await workspace.mustOssb(['build', '--progress', 'json', ...place, flag, `app${n}`])
    const events = stderr.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
    return {
      steps: readProgress(stderr).completed.filter((name) => /RUN|COPY/.test(name)),
      warnings: events.filter(({ type }) => type === 'warning'),
    }
  }
  const written = await Promise.all(
    WRITERS.map((n) => build(n, 'writer', `--cache-to=${cache},mode=max,ignore-error=false`)),
  )
  expect(written.map(({ steps }) => steps.length)).toEqual(WRITERS.map(() => 3))
  const read = await Promise.all(WRITERS.map((n) => build(n, 'reader', `--cache-from=${cache}`)))
  expect(read).toEqual(WRITERS.map(() => ({ steps: [], warnings: [] })))
})
