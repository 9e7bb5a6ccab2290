// Builds against Debian's buildah, as root, interleaved:
//   node scripts/bench/build.mjs [--json FILE] [ROUNDS [WORKLOAD...]]   needs dist/ (npm run build:ts), buildah, mmdebstrap, docker-registry
// A  two stages on a Debian base: RUN that makes 8,000 files, COPY of 2,000 files and of a 64 MiB asset, COPY --from,
//    RUN chown, push to a registry; nothing is there before
// B  A once more, nothing changed
// C  A with one source file changed
// D  ten trivial RUN steps on a base of 150,000 small files: the time of one more step
// W  the same where overlayfs can't be had, as in a container: ossb alone, and only when asked for
// E  FROM scratch and one file of 4 GiB (E_GIB=n: n GiB) of mixed data; its memory is that of all processes at once
// F  FROM scratch and one file: the overhead of everything
// In each round a builder keeps what it has on a new file system, which is gone after it: else memory fills with what was
// read and written before, and to make room takes up to a quarter of the time of A.
// Prints medians and ratios as Markdown; needs 60 GB of disk for E, else 20.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { describeMachine, makeDirectory, measure, median, startRegistry } from './measure.mjs'

const { values: options, positionals } = parseArgs({ options: { json: { type: 'string' } }, allowPositionals: true })
const [rounds = '5', ...chosen] = positionals
const ROUNDS = Number(rounds)
const WORKLOADS = chosen.length > 0 ? chosen : ['A', 'B', 'C', 'D', 'E', 'F']
const LARGE = Number(process.env.E_GIB ?? 4) * 2 ** 30
const program = new URL('../../dist/cli/ossb.js', import.meta.url).pathname
const makeLayout = new URL('../make-base-layout.mjs', import.meta.url).pathname
const place = makeDirectory('build', 60)
const directory = place.path

function run(command, ...args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1e8 })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
}

const APP = (base) => `FROM ${base} AS build
RUN mkdir /out && for i in $(seq 80); do mkdir /out/$i; (cd /out/$i && seq 100 | xargs touch && echo $i >1); done
COPY src /src
COPY asset /asset
FROM ${base}
COPY --from=build /out /out
COPY --from=build /src /src
COPY --from=build /asset /asset
RUN chown -R 1000:1000 /src
CMD ["true"]
`

const STEPS = (base, count) => `FROM ${base}\n${Array.from({ length: count }, (_, i) => `RUN echo ${i} >/step\n`).join('')}`

function makeContexts(host) {
  const app = join(directory, 'app')
  mkdirSync(join(app, 'src'), { recursive: true })
  for (let at = 0; at < 2000; at += 1) writeFileSync(join(app, 'src', `f${at}`), `file ${at}\n`.repeat(40))
  // Half of it can be compressed.
  writeFileSync(join(app, 'asset'), Buffer.concat([randomBytes(32 * 2 ** 20), Buffer.alloc(32 * 2 ** 20, 'asset ')]))
  writeFileSync(join(app, 'Dockerfile'), APP(`${host}/debian:1`))
  for (const count of [1, 11]) {
    mkdirSync(join(directory, `steps-${count}`))
    writeFileSync(join(directory, `steps-${count}`, 'Dockerfile'), STEPS(`${host}/many:1`, count))
  }
  const one = join(directory, 'one')
  mkdirSync(one)
  writeFileSync(join(one, 'Dockerfile'), 'FROM scratch\nCOPY file /\n')
  writeFileSync(join(one, 'file'), 'content\n')
}

/** Of each 32 MiB: 12 of random bytes, 16 of programs, libraries and texts of this machine, 4 of zeros. */
function makeLarge() {
  const sample = join(directory, 'sample.tar')
  const parts = '/usr/bin /usr/lib/x86_64-linux-gnu /usr/share /usr/lib/python3'
  run('sh', '-c', `for part in ${parts}; do tar -cf - --sort=name $part 2>/dev/null | head -c 64M; done >${sample}`)
  const usual = readFileSync(sample)
  rmSync(sample)
  mkdirSync(join(directory, 'large'))
  writeFileSync(join(directory, 'large/Dockerfile'), 'FROM scratch\nCOPY file /\n')
  const file = openSync(join(directory, 'large/file'), 'w')
  const mib = 2 ** 20
  for (let written = 0, at = 0; written < LARGE; written += 32 * mib) {
    writeSync(file, randomBytes(12 * mib))
    writeSync(file, usual, at, 16 * mib)
    writeSync(file, Buffer.alloc(4 * mib))
    at = (at + 16 * mib) % (usual.length - 16 * mib)
  }
  closeSync(file)
}

function makeBases(host) {
  if (!['A', 'B', 'C', 'D', 'W'].some((name) => WORKLOADS.includes(name))) return
  const push = (name, tar) => {
    const layout = join(directory, `${name}-layout`)
    run('node', makeLayout, layout, '--rootfs-tar', tar)
    run('skopeo', 'copy', '--dest-tls-verify=false', `oci:${layout}:base`, `docker://${host}/${name}:1`)
    rmSync(layout, { recursive: true })
  }
  const debian = join(directory, 'debian.tar')
  run('sh', '-c', '. /etc/os-release && exec mmdebstrap --quiet --variant=minbase --format=tar "$VERSION_CODENAME" "$1"', 'sh', debian)
  push('debian', debian)
  if (!WORKLOADS.includes('D') && !WORKLOADS.includes('W')) return
  const many = join(directory, 'many')
  run(
    'sh',
    '-euc',
    'mkdir "$1"; cp "$2" "$1.tar"; cd "$1"; for d in $(seq 300); do mkdir -p many/$d; (cd many/$d && seq 500 | xargs -n 500 touch); done; tar --owner=0 --group=0 -rf "$1.tar" many',
    'sh',
    many,
    debian,
  )
  push('many', `${many}.tar`)
  rmSync(many, { recursive: true })
}

/** The commands that build and push; `state` is where a builder keeps what it has. */
const BUILDERS = {
  ossb: ({ context, image, state, options: more = [] }) => [
    ['node', program, 'build', '--progress', 'quiet', '--cache-dir', state, '-t', image, '--push', ...more, context],
  ],
  buildah: ({ context, image, state }) => {
    const own = ['buildah', '--root', state, '--runroot', `${state}-run`, '--storage-driver', 'overlay']
    return [
      [...own, 'bud', '--quiet', '--layers', '--isolation', 'chroot', '--tls-verify=false', '-t', image, context],
      [...own, 'push', '--quiet', '--tls-verify=false', image],
    ]
  },
}

function timed(tool, settings, options) {
  const parts = BUILDERS[tool](settings).map((command) => measure(command, options))
  return {
    wall: parts.reduce((sum, { wall }) => sum + wall, 0),
    cpu: parts.reduce((sum, { cpu }) => sum + cpu, 0),
    rss: Math.max(...parts.map(({ rss }) => rss)),
  }
}

/** A directory that lies on an overlay: none can have its upper directory there. */
function overlaid(place) {
  const [lower, upper, work, shown] = ['lower', 'upper', 'work', 'shown'].map((part) => join(place, part))
  for (const path of [lower, upper, work, shown]) mkdirSync(path, { recursive: true })
  run('mount', '-t', 'overlay', 'overlay', '-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`, shown)
  return shown
}

/** Workloads that are measured together, one after the other. */
const GROUPS = [['A', 'B', 'C'], ['D'], ['W'], ['E'], ['F']].filter((group) => group.some((workload) => WORKLOADS.includes(workload)))

function runRound(group, round, host, results) {
  for (const tool of round % 2 === 0 ? ['buildah', 'ossb'] : ['ossb', 'buildah']) {
    const home = makeDirectory(tool, 60)
    run('sync')
    try {
      for (const [workload, result] of measureGroup(group, round, tool, home.path, host)) {
        results[workload] ??= { ossb: [], buildah: [] }
        results[workload][tool].push(result)
      }
    } finally {
      // What buildah leaves mounted goes with it.
      home.remove()
    }
  }
}

function* measureGroup(group, round, tool, home, host) {
  const at = (context, name = context) => ({
    context: join(directory, context),
    image: `${host}/${tool}/${context}-${round}:1`,
    state: join(home, name),
  })
  if (group.includes('A')) {
    writeFileSync(join(directory, 'app/src/f7'), 'the first\n')
    yield ['A', timed(tool, at('app'))]
    yield ['B', timed(tool, at('app'))]
    writeFileSync(join(directory, 'app/src/f7'), `changed ${tool} ${round}\n`)
    yield ['C', timed(tool, at('app'))]
  }
  if (group.includes('D')) {
    timed(tool, at('steps-1', 'steps'))
    const more = timed(tool, at('steps-11', 'steps'))
    yield ['D', { ...more, wall: more.wall / 10, cpu: more.cpu / 10 }]
  }
  if (group.includes('W') && tool === 'ossb') {
    // Each of these builds copies the base once, which is no part of a further step.
    const state = overlaid(home)
    const [, one, more] = ['steps-1', 'steps-1', 'steps-11'].map((context) =>
      timed(tool, { ...at(context), state, options: ['--no-cache'] }),
    )
    yield ['W', { ...more, wall: (more.wall - one.wall) / 10, cpu: (more.cpu - one.cpu) / 10 }]
  }
  if (group.includes('E')) yield ['E', timed(tool, at('large'), { tree: true })]
  if (group.includes('F')) yield ['F', timed(tool, at('one'))]
}

const registry = await startRegistry(directory)
try {
  makeBases(registry.host)
  makeContexts(registry.host)
  if (WORKLOADS.includes('E')) makeLarge()
  const results = {}
  // The first of all meets a cold machine.
  runRound(['F'], 'cold', registry.host, {})
  for (const group of GROUPS) for (let round = 0; round < ROUNDS; round += 1) runRound(group, round, registry.host, results)
  const start = median(Array.from({ length: 5 }, () => measure(['node', program, 'version']).wall))
  console.log(`${describeMachine()}; on ${place.note}`)
  console.log(`Medians of ${ROUNDS} rounds; the program alone takes ${start.toFixed(2)} s to start\n`)
  console.log('| workload | ossb wall | buildah wall | ratio | ossb processor | buildah processor | ratio | ossb memory | buildah memory |')
  console.log('|---|---|---|---|---|---|---|---|---|')
  for (const [workload, tools] of Object.entries(results)) {
    const of = (tool, what) => (tools[tool].length > 0 ? median(tools[tool].map((one) => one[what])) : Number.NaN)
    const pair = (what) => [of('ossb', what), of('buildah', what)]
    const columns = ['wall', 'cpu'].flatMap((what) => {
      const [own, peer] = pair(what)
      return [`${own.toFixed(2)} s`, `${peer.toFixed(2)} s`, (own / peer).toFixed(2)]
    })
    console.log(`| ${[workload, ...columns, ...pair('rss').map((value) => `${value.toFixed(0)} MiB`)].join(' | ')} |`)
  }
  if (options.json !== undefined)
    writeFileSync(options.json, JSON.stringify({ machine: describeMachine(), rounds: ROUNDS, start, results }, undefined, 2))
} finally {
  registry.stop()
  place.remove()
}
