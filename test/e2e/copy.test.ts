import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { mustRun } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { readProgress } from '../support/progress.ts'
import { readOciArchive } from '../support/read-archive.ts'
import { readLayers } from '../support/read-layers.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

const base = await miniBase()

const CONTEXT = `
  umask 022
  mkdir -p src/y/deep
  echo one > src/one; echo a > src/y/a.c; echo b > src/y/deep/b.c; ln src/one src/same
  chmod 700 src/y; chmod 640 src/y/a.c
  find . -exec touch -h -d '2001-01-01 00:00:01Z' {} +`

/** A base with a link to a directory, a file where a directory will be, and a user. */
const BASE = `FROM oci-layout://${base}:base AS base
RUN mkdir -p /usr/lib /data && ln -s usr/lib /link && echo low > /data/a && echo keep > /data/keep \\
 && echo lower > /usr/lib/lower && echo app:x:77:78::/:/bin/sh >> /etc/passwd`

async function workspaceWith(workspace: Workspace, dockerfile: string): Promise<void> {
  await workspace.fill('context', async (directory) => {
    await mustRun('sh', ['-euc', `cd ${directory}; ${CONTEXT}`])
  })
  await workspace.write({ Dockerfile: dockerfile })
}

async function build(workspace: Workspace, dest: string) {
  const result = await workspace.mustOssb([
    'build',
    '--progress',
    'json',
    '-f',
    'Dockerfile',
    '-o',
    `type=oci,dest=${dest}`,
    'context',
  ])
  return readProgress(result.stderr)
}

describe.each(await identities())('as $name', (identity) => {
  test('COPY --link makes real directories of what the base has as a link or a file', async () => {
    await using workspace = await createWorkspace(identity)
    await workspaceWith(
      workspace,
      `${BASE}
COPY --link src/y /link/sub/
COPY --link src/one /data/a/in
COPY --link --chown=app src/one /made/
COPY --link none* /none/
COPY --link --chmod=600 src/one /usr/lib/plain/
RUN ls -d /data/keep /data/a/in /usr/lib/lower /usr/lib/plain/one && ls /link && [ ! -L /link ]
`,
    )
    await build(workspace, 'image.tar')
    expect((await readLayers(workspace.file('image.tar'))).slice(2, -1)).toEqual([
      [
        'link/ directory 755 0:0 @now',
        'link/sub/ directory 755 0:0 @978307201',
        'link/sub/a.c file 640 0:0 @978307201',
        'link/sub/deep/ directory 755 0:0 @978307201',
        'link/sub/deep/b.c file 644 0:0 @978307201',
      ],
      ['data/ directory 755 0:0 @now', 'data/a/ directory 755 0:0 @now', 'data/a/in file 644 0:0 @978307201'],
      ['made/ directory 755 77:78 @now', 'made/one file 644 77:78 @978307201'],
      [],
      [
        'usr/ directory 755 0:0 @now',
        'usr/lib/ directory 755 0:0 @now',
        'usr/lib/plain/ directory 600 0:0 @now',
        'usr/lib/plain/one file 600 0:0 @978307201',
      ],
    ])
  })

  test('a layer of COPY --link is found again above another base, and is the same', async () => {
    await using workspace = await createWorkspace(identity)
    const steps = (message: string) => `${BASE}
RUN echo ${message} > /message
COPY --link src /to
COPY src /plain
`
    await workspaceWith(workspace, steps('first'))
    await build(workspace, 'first.tar')
    await workspace.write({ Dockerfile: steps('second') })
    const progress = await build(workspace, 'second.tar')
    expect(progress.cached.filter((name) => name.includes('COPY'))).toEqual([
      expect.stringContaining('COPY --link src /to'),
    ])
    const [first, second] = await Promise.all(
      ['first.tar', 'second.tar'].map((name) => readOciArchive(workspace.file(name))),
    )
    expect(second?.manifest.layers[3]).toEqual(first?.manifest.layers[3])
    expect(second?.manifest.layers[2]).not.toEqual(first?.manifest.layers[2])
    expect(second?.manifest.layers).toHaveLength(5)
  })

  test('COPY makes layers of what it changed and what leads there, and RUN whiteouts of what it took away', async () => {
    await using workspace = await createWorkspace(identity)
    await workspaceWith(
      workspace,
      `${BASE}
FROM base
COPY src /link
COPY src/one /usr/lib/lower
COPY --parents src/./**/b.c /p
COPY --from=base --chown=5 /usr/lib/../../data/. /data/../data2
RUN rm -r /data && rm /usr/lib/one && mkdir -p /data/new
WORKDIR /
WORKDIR /w/x
WORKDIR /w/x
`,
    )
    await build(workspace, 'image.tar')
    const layers = await readLayers(workspace.file('image.tar'))
    expect(layers.slice(2)).toEqual([
      [
        'usr/ directory 755 0:0 @now',
        'usr/lib/ directory 755 0:0 @978307201',
        'usr/lib/one file 644 0:0 @978307201',
        'usr/lib/same link 644 0:0 @978307201 -> usr/lib/one',
        'usr/lib/y/ directory 700 0:0 @978307201',
        'usr/lib/y/a.c file 640 0:0 @978307201',
        'usr/lib/y/deep/ directory 755 0:0 @978307201',
        'usr/lib/y/deep/b.c file 644 0:0 @978307201',
      ],
      [
        'usr/ directory 755 0:0 @now',
        'usr/lib/ directory 755 0:0 @now',
        'usr/lib/lower file 644 0:0 @978307201',
      ],
      [
        'p/ directory 755 0:0 @978307201',
        'p/y/ directory 700 0:0 @now',
        'p/y/deep/ directory 755 0:0 @now',
        'p/y/deep/b.c file 644 0:0 @978307201',
      ],
      ['data2/ directory 755 5:5 @now', 'data2/a file 644 5:5 @now', 'data2/keep file 644 5:5 @now'],
      [
        'data/ directory 755 0:0 @now',
        'data/.wh.a file 0 0:0 @0',
        'data/.wh.keep file 0 0:0 @0',
        'data/new/ directory 755 0:0 @now',
        'usr/ directory 755 0:0 @now',
        'usr/lib/ directory 755 0:0 @now',
        'usr/lib/.wh.one file 0 0:0 @0',
      ],
      ['w/ directory 755 0:0 @now', 'w/x/ directory 755 0:0 @now'],
      [],
    ])
    const { config } = await readOciArchive(workspace.file('image.tar'))
    expect(config.history.slice(-8).map((entry) => [entry.created_by, entry.empty_layer])).toEqual([
      ['COPY src /link # buildkit', undefined],
      ['COPY src/one /usr/lib/lower # buildkit', undefined],
      ['COPY --parents src/./**/b.c /p # buildkit', undefined],
      ['COPY --chown=5 /usr/lib/../../data/. /data/../data2 # buildkit', undefined],
      [expect.stringMatching(/^RUN /), undefined],
      ['WORKDIR /', true],
      ['WORKDIR /w/x', undefined],
      ['WORKDIR /w/x', undefined],
    ])
  })

  test('RUN records what it changed, in the order of a walk, and no directory of which only the time changed', async () => {
    await using workspace = await createWorkspace(identity)
    await workspaceWith(
      workspace,
      `${BASE}
FROM base
RUN mkdir -p /o/a /o/b/c && touch /o/a/x /o/a-b /o/a.c /o/b/c/d
RUN touch /data /usr/lib /o && touch /etc/x /o/a/y && rm /etc/x /o/a/y && mkdir /new && rmdir /new
RUN rm -r /o/a && ln -s b /o/a && rm -r /o/b && mkdir -p /o/b/c && touch /o/b/new /data
RUN touch /o/b && ln /o/b/new /o/link
`,
    )
    await build(workspace, 'image.tar')
    const layers = await readLayers(workspace.file('image.tar'))
    expect(layers.slice(2)).toEqual([
      [
        'o/ directory 755 0:0 @now',
        'o/a/ directory 755 0:0 @now',
        'o/a/x file 644 0:0 @now',
        'o/a-b file 644 0:0 @now',
        'o/a.c file 644 0:0 @now',
        'o/b/ directory 755 0:0 @now',
        'o/b/c/ directory 755 0:0 @now',
        'o/b/c/d file 644 0:0 @now',
      ],
      [],
      [
        'o/ directory 755 0:0 @now',
        'o/a symlink 777 0:0 @now -> b',
        'o/b/ directory 755 0:0 @now',
        'o/b/c/ directory 755 0:0 @now',
        'o/b/c/.wh.d file 0 0:0 @0',
        'o/b/new file 644 0:0 @now',
      ],
      ['o/ directory 755 0:0 @now', 'o/link file 644 0:0 @now'],
    ])
  })

  test('a whole stage is copied as it is, and an image that is no stage', async () => {
    await using workspace = await createWorkspace(identity)
    await workspaceWith(
      workspace,
      `FROM scratch AS tree
COPY --chown=3:4 src /a
COPY --chown=root src/one /b/
FROM scratch
COPY --from=tree / /copy/
COPY --from=0 a/../b /
COPY --from=oci-layout://${base}:base /etc/group /
`,
    )
    await build(workspace, 'image.tar')
    expect(await readLayers(workspace.file('image.tar'))).toEqual([
      [
        expect.stringMatching(/^copy\/ directory 755 0:0 @/),
        'copy/a/ directory 755 3:4 @978307201',
        'copy/a/one file 644 3:4 @978307201',
        'copy/a/same link 644 3:4 @978307201 -> copy/a/one',
        'copy/a/y/ directory 700 3:4 @978307201',
        'copy/a/y/a.c file 640 3:4 @978307201',
        'copy/a/y/deep/ directory 755 3:4 @978307201',
        'copy/a/y/deep/b.c file 644 3:4 @978307201',
        'copy/b/ directory 755 0:0 @now',
        'copy/b/one file 644 0:0 @978307201',
      ],
      ['one file 644 0:0 @978307201'],
      [expect.stringMatching(/^group file 644 0:0 @/)],
    ])
  })

  test.each<[string, string]>([
    ['COPY src/one src/missing /x/', '"/src/missing": not found'],
    ['COPY --parents src/./missing /x/', '"/src/missing": not found'],
    ['COPY --from=base ../none /x', '"/none": not found'],
    ['COPY src /data/a', 'cannot copy to non-directory: /data/a'],
    ['COPY src /data/a/b', 'mkdir /data/a: not a directory'],
  ])('%s fails with its line', async (instruction, text) => {
    await using workspace = await createWorkspace(identity)
    await workspaceWith(workspace, `${BASE}\nFROM base\n${instruction}\n`)
    const { status, stderr } = await workspace.ossb(['build', '-f', 'Dockerfile', 'context'])
    expect(status).toBe(1)
    expect(stderr).toContain(text)
    expect(stderr).toContain(`>>> ${instruction}`)
  })
})
