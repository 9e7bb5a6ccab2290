import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { distributionBase, miniBase } from '../support/base-image.ts'
import { mustRun } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { type ImageDocuments, readOciArchive } from '../support/read-archive.ts'
import { writeTwoStageContext } from '../support/two-stage.ts'
import { createWorkspace } from '../support/workspace.ts'

const everyone = await identities()
const [first, last = first] = everyone

test('who builds, where and when changes nothing: the same digests from an empty cache', async () => {
  const builders = [first, last].filter((identity) => identity !== undefined)
  const images: ImageDocuments[] = []
  for (const identity of builders) {
    await using workspace = await createWorkspace(identity)
    await workspace.fill('app', writeTwoStageContext)
    const base = `BASE=oci-layout://${await distributionBase()}:base`
    const epoch = [
      '--build-arg',
      'SOURCE_DATE_EPOCH=1700000000',
      '-o',
      'type=oci,dest=out.tar,rewrite-timestamp=true',
    ]
    await workspace.mustOssb(['build', '--build-arg', base, ...epoch, 'app'])
    images.push(await readOciArchive(workspace.file('out.tar')))
  }
  const [one, two] = images
  expect(images).toHaveLength(2)
  expect(two?.config.rootfs.diff_ids).toEqual(one?.config.rootfs.diff_ids)
  expect(two?.digest).toBe(one?.digest)
  const mark = { annotations: { 'buildkit/rewritten-timestamp': '1700000000' } }
  expect(one?.manifest.layers.at(-1)).toMatchObject(mark)
  expect(one?.manifest.layers[0]).not.toMatchObject(mark)
})

/** Times of files that are there before, sizes that fill several blocks, links, owners, removals. */
const DOCKERFILE = `FROM oci-layout://${await miniBase()}:base
COPY tree/ /tree/
RUN mkdir /many && for i in $(seq 300); do echo $i > /many/$i; done && ln /many/1 /hard && touch -t 199901010000 /old
RUN head -c 3000000 /dev/zero > /big && chown -R 12:34 /tree && rm /many/7
WORKDIR /made/by/workdir
`

/** The builder's own clock goes a day ahead. */
const TOMORROW = `const Real = Date
const now = () => Real.now() + 86400000
globalThis.Date = class extends Real {
  constructor(...values) { super(...(values.length === 0 ? [now()] : values)) }
  static now() { return now() }
}
`

const BUILDERS = [
  { who: first, processors: '0', names: ['a', 'b', 'c', 'd'], flags: ['--executor=auto'] },
  { who: last, processors: '0-1', names: ['d', 'b', 'a', 'c'], flags: ['--parallel=4'], isTomorrow: true },
  { who: first, processors: '0-1', names: ['c', 'd', 'a', 'b'], flags: ['--executor=container'] },
]

test('--reproducible: one digest for other users, processors, executors, days, and orders and times of files', async () => {
  const indexes: string[] = []
  for (const { who, processors, names, flags, isTomorrow } of BUILDERS) {
    if (who === undefined) throw new Error('there is nobody to build')
    await using workspace = await createWorkspace(who)
    await workspace.write({ 'app/Dockerfile': DOCKERFILE, 'tomorrow.cjs': TOMORROW })
    await workspace.fill('app/tree', async (directory) => {
      await mkdir(`${directory}/sub`)
      for (const [at, name] of names.entries()) {
        await writeFile(`${directory}/${name}`, name)
        await writeFile(`${directory}/sub/${name}`, name.repeat(1000))
        await utimes(`${directory}/${name}`, 1_600_000_000 + at, 1_600_000_000 + at)
      }
    })
    const clock = isTomorrow === true ? { NODE_OPTIONS: `--require=${workspace.file('tomorrow.cjs')}` } : {}
    const output = '--output=type=oci,dest=out.tar'
    const build = [who.node, who.program, 'build', '--reproducible', ...flags, output, 'app']
    await mustRun('taskset', ['--cpu-list', processors, ...build], {
      cwd: workspace.path,
      env: workspace.environment(clock),
      ...(who.uid === undefined ? {} : { uid: who.uid }),
      ...(who.gid === undefined ? {} : { gid: who.gid }),
    })
    const { index, config } = await readOciArchive(workspace.file('out.tar'))
    indexes.push(JSON.stringify(index))
    expect(Date.parse(config.created ?? '')).toBe(0)
  }
  expect(new Set(indexes).size).toBe(1)
})
