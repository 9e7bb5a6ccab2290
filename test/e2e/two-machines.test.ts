import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { runCommand } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { readProgress } from '../support/progress.ts'
import { createWorkspace } from '../support/workspace.ts'

const base = await miniBase()
const SCRIPT = new URL('../support/two-machines.sh', import.meta.url).pathname
const CACHE = 'type=registry,ref=10.9.1.1:5000/r/app:cache,registry.insecure=true'
const BUILD = `
exec "$0" "$1" build --progress json --cache-dir "$2/cache$MACHINE" -t 10.9.1.1:5000/r/app:1 --push \\
  --cache-from ${CACHE} --cache-to ${CACHE},mode=max "$2/app" 2> "$2/progress$MACHINE"
`

test('two machines that share nothing but a registry: the second carries out no step', async () => {
  const [identity] = await identities()
  if (identity === undefined) throw new Error('nobody runs the tests')
  await using workspace = await createWorkspace(identity)
  await workspace.write({
    'app/Dockerfile': `FROM oci-layout://${base}:base AS tools
RUN echo tool > /tool
FROM oci-layout://${base}:base
COPY file /file
COPY --from=tools /tool /tool
RUN cat /file /tool > /both
`,
    'app/file': 'a\n',
    progress1: '',
    progress2: '',
  })
  const inNamespace =
    process.getuid?.() === 0
      ? ['--net', '--']
      : ['--user', '--map-auto', '--map-root-user', '--net', '--mount', '--']
  const program = ['sh', '-c', BUILD, identity.node, identity.program, workspace.path]
  const command = [SCRIPT, workspace.path, ...program]
  const result = await runCommand('unshare', [...inNamespace, ...command], {
    cwd: workspace.path,
    env: workspace.environment(),
  })
  const told = await Promise.all(
    [1, 2].map((machine) => readFile(workspace.file(`progress${machine}`), 'utf8')),
  )
  expect(result, `${result.stderr}\n${told.join('\n')}`).toMatchObject({ status: 0 })
  const [first = '', second = ''] = told
  const steps = (text: string) =>
    readProgress(text).completed.flatMap((name) => /(?:RUN|COPY) .*/.exec(name) ?? [])
  expect(steps(first)).toHaveLength(4)
  expect(steps(second)).toEqual([])
  expect(second).not.toContain('"type":"warning"')
  const digestIn = (text: string) => JSON.parse(text.trim().split('\n').at(-1) ?? '').descriptor.digest
  expect(digestIn(second)).toBe(digestIn(first))
})
