import { chmod, utimes } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { mustRun, mustRunAsRoot } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

const base = await miniBase()
const FROM = `oci-layout://${base}:base`

const DOCKERFILE = `FROM ${FROM} AS tools
RUN printf tool > /tool
FROM ${FROM}
ARG A=1
ENV E=1
WORKDIR /w
COPY src /src
COPY --from=tools /tool /tool
RUN --mount=type=secret,id=s --mount=type=tmpfs,target=/t echo $A $E
COPY <<EOF /here
text
EOF
`

const FILES = { Dockerfile: DOCKERFILE, 'src/file': 'a\n', 'src/other': 'b\n', unused: 'c\n', secret: 'x' }

interface Explained {
  readonly step: string
  readonly outcome: 'hit' | 'miss'
  readonly reasons: readonly string[]
}

/** Why the steps of a build hit or missed, by what comes behind the number of the step. */
async function explain(workspace: Workspace, args: readonly string[], context = 'app'): Promise<Explained[]> {
  const flags = ['build', '--progress', 'json', '--explain', '--secret', 'id=s,src=app/secret']
  const { stderr } = await workspace.mustOssb([...flags, ...args, context])
  const events = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  return events.filter(({ type }) => type === 'explained')
}

const edited = (from: string, to: string) => ({ Dockerfile: DOCKERFILE.replace(from, to) })

interface Row {
  readonly name: string
  readonly files?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
  readonly change?: (workspace: Workspace) => Promise<unknown>
  readonly context?: string
  /** The first step that misses, and why; none does where it is absent. */
  readonly misses?: readonly [step: RegExp, reason: RegExp]
}

const RUN = /RUN --mount/
const COPY = /COPY src/

const ROWS: readonly Row[] = [
  { name: 'nothing' },
  {
    name: 'a command',
    files: edited('echo $A', 'echo  $A'),
    misses: [RUN, /^args.*"echo \$A \$E" → "echo {2}\$A \$E"/],
  },
  { name: 'an argument', args: ['--build-arg', 'A=2'], misses: [RUN, /^variable A: "1" → "2"$/] },
  { name: 'a variable', files: edited('ENV E=1', 'ENV E=2'), misses: [RUN, /^variable E: "1" → "2"$/] },
  {
    name: 'the shell',
    files: edited('ENV E=1', 'ENV E=1\nSHELL ["/bin/sh", "-ec"]'),
    misses: [RUN, /^args/],
  },
  {
    name: 'the user',
    files: edited('RUN --mount', 'USER 1\nRUN --mount'),
    misses: [RUN, /^user: "" → "1"$/],
  },
  {
    name: 'the working directory',
    files: edited('WORKDIR /w', 'WORKDIR /v'),
    misses: [/WORKDIR/, /"\/w" → "\/v"/],
  },
  {
    name: 'the network',
    args: ['--network', 'none'],
    misses: [/RUN printf/, /^network: "default" → "none"$/],
  },
  { name: 'names of hosts', args: ['--add-host', 'h=1.2.3.4'], misses: [/RUN printf/, /^extraHosts/] },
  { name: 'a limit', args: ['--ulimit', 'nofile=99'], misses: [/RUN printf/, /^ulimits/] },
  { name: 'the size of /dev/shm', args: ['--shm-size', '1m'], misses: [/RUN printf/, /^shmSize/] },
  { name: 'a mount', files: edited('target=/t', 'target=/u'), misses: [RUN, /^mounts/] },
  { name: 'the id of a secret', files: edited('id=s', 'id=z'), misses: [RUN, /^mounts/] },
  {
    name: 'what a file holds',
    files: { 'src/file': 'z\n' },
    misses: [COPY, /^files of .* changed: sha256:/],
  },
  { name: 'the name of a file', files: { 'src/new': 'b\n' }, misses: [COPY, /^files of/] },
  {
    name: 'the mode of a file',
    change: (w) => chmod(w.file('app/src/file'), 0o600),
    misses: [COPY, /^files of/],
  },
  { name: 'what is ignored', files: { '.dockerignore': 'src/other\n' }, misses: [COPY, /^files of/] },
  { name: 'the owner', files: edited('COPY src', 'COPY --chown=1:1 src'), misses: [/COPY --chown/, /owner/] },
  {
    name: 'the mode of a copy',
    files: edited('COPY src', 'COPY --chmod=700 src'),
    misses: [/COPY --chmod/, /mode/],
  },
  {
    name: 'what is excluded',
    files: edited('COPY src', 'COPY --exclude=x src'),
    misses: [/COPY --exclude/, /exclude/],
  },
  { name: 'the destination', files: edited('/src\n', '/src2\n'), misses: [COPY, /"\/src" → "\/src2"/] },
  {
    name: 'a heredoc',
    files: edited('text', 'other text'),
    misses: [/COPY <<EOF/, /"text\\n" → "other text\\n"/],
  },
  {
    name: 'what another stage makes',
    files: edited('printf tool', 'printf other'),
    misses: [/RUN printf other/, /^args/],
  },
  // What can't change the result.
  { name: 'times', change: (w) => utimes(w.file('app/src/file'), 1, 1) },
  { name: 'a file that no step reads', files: { unused: 'z\n' } },
  { name: 'the value of a secret', files: { secret: 'z' } },
  { name: 'an argument that is not used', args: ['--build-arg', 'UNUSED=1'] },
  // Layers are compressed anew.
  { name: 'the compression', args: ['--compression', 'zstd'] },
  { name: 'a label', args: ['--label', 'a=b'], files: edited('ENV E=1', '# a comment\nLABEL x=y\nENV E=1') },
  {
    name: 'where the context is',
    change: (w) => mustRun('cp', ['-a', w.file('app'), w.file('moved')]),
    context: 'moved',
  },
]

const [identity] = (await identities()).slice(-1)
if (identity === undefined) throw new Error('nobody runs the tests')

test('each input that can change the result is in the key of its step, and nothing else is', async () => {
  await using workspace = await createWorkspace(identity)
  const write = (files: Readonly<Record<string, string>>) =>
    workspace.write(Object.fromEntries(Object.entries(files).map(([name, text]) => [`app/${name}`, text])))
  await write(FILES)
  const first = await explain(workspace, [])
  expect(new Set(first.flatMap(({ reasons }) => reasons))).toEqual(
    new Set(['no result of a step like it is known']),
  )
  const wrong: unknown[] = []
  for (const { name, files = {}, args = [], change, context, misses } of ROWS) {
    await mustRunAsRoot('rm', ['-rf', workspace.file('app'), workspace.file('moved')])
    await write({ ...FILES, ...files })
    await change?.(workspace)
    // Each row begins with the same results.
    await mustRun('cp', ['-a', workspace.file('ossb'), workspace.file('row')])
    const explained = await explain(workspace, ['--cache-dir', workspace.file('row'), ...args], context)
    await mustRunAsRoot('rm', ['-rf', workspace.file('row')])
    const missed = explained.filter(({ outcome }) => outcome === 'miss')
    const isRight =
      misses === undefined
        ? missed.length === 0
        : missed.some(
            ({ step, reasons }) => misses[0].test(step) && reasons.some((reason) => misses[1].test(reason)),
          )
    if (!isRight) wrong.push({ name, missed })
  }
  expect(wrong).toEqual([])
})

test('a step whose inputs have the same content by another way hits', async () => {
  await using workspace = await createWorkspace(identity)
  const dockerfile = (make: string) => `FROM ${FROM} AS tools
RUN ${make}
FROM ${FROM}
COPY --from=tools /tool /tool
RUN cat /tool > /copy
`
  await workspace.write({ 'app/Dockerfile': dockerfile('printf tool > /tool'), 'app/secret': '' })
  await explain(workspace, [])
  await workspace.write({ 'app/Dockerfile': dockerfile('echo tool | head -c 4 > /tool') })
  const explained = await explain(workspace, [])
  expect(
    explained.map(({ step, outcome, reasons }) => [step.replace(/^.*\] /, ''), outcome, reasons[0]]),
  ).toEqual([
    ['RUN echo tool | head -c 4 > /tool', 'miss', expect.stringMatching(/^args/)],
    ['COPY --from=tools /tool /tool', 'hit', 'its inputs have the content of before'],
    ['RUN cat /tool > /copy', 'hit', 'its inputs have the content of before'],
  ])
})

test('a miss is explained by what another machine has built', async () => {
  await using workspace = await createWorkspace(identity)
  const dockerfile = (value: string) => `FROM ${FROM}\nARG V=${value}\nRUN echo $V\nRUN echo more\n`
  await workspace.write({ 'app/Dockerfile': dockerfile('1'), 'app/secret': '' })
  await explain(workspace, ['--cache-dir', workspace.file('one'), '--cache-to', 'type=local,dest=shared'])
  await workspace.write({ 'app/Dockerfile': dockerfile('2') })
  const from = ['--cache-from', 'type=local,src=shared']
  const explained = await explain(workspace, ['--cache-dir', workspace.file('two'), ...from])
  // Values stay where they are: the other machine tells a digest of its own.
  expect(explained.map(({ reasons }) => reasons)).toEqual([
    [expect.stringMatching(/^variable V: "#[0-9a-f]{12}" → "2"$/)],
    [
      expect.stringMatching(/^variable V: /),
      expect.stringMatching(/^follows \[2\/3\] RUN echo \$V, which missed$/),
    ],
  ])
})
