#!/usr/bin/env node
/**
 * Starts many builds at once on one cache directory and kills some of them: the others must succeed, with the digests that
 * builds one at a time give, `ossb cache verify` must find nothing wrong, and nothing may be left.
 *
 *     scripts/cache-stress.mjs [--seed N] [--builds 20] [--kills 5]
 *
 * The seed is printed; the same one starts and kills alike, as far as time allows.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    builds: { type: 'string', default: '20' },
    kills: { type: 'string', default: '5' },
  },
})
const [seed, builds, kills] = [values.seed, values.builds, values.kills].map(Number)
const OSSB = new URL('../dist/cli/ossb.js', import.meta.url).pathname
const BASE = new URL('make-base-layout.mjs', import.meta.url).pathname
const random = randomFrom(seed)
const root = mkdtempSync(join(tmpdir(), 'ossb-stress-'))
const environment = { ...process.env, TMPDIR: join(root, 'tmp'), HOME: root, SOURCE_DATE_EPOCH: '1700000000' }

console.log(`seed ${seed}: ${builds} builds at once, ${kills} of them killed`)
try {
  process.exitCode = (await stress()) ? 0 : 1
} finally {
  rmSync(root, { recursive: true, force: true })
}

async function stress() {
  prepare()
  const cache = join(root, 'cache')
  const killed = new Set(shuffled(builds).slice(0, kills))
  const [started, ends] = [[], []]
  for (let i = 0; i < builds; i += 1) {
    started.push(start(i, cache))
    if (killed.has(i)) ends.push(killLater(started[i]))
    // On a busy machine a process takes its time to start, and the first may end before the last began.
    await delay(1)
  }
  await Promise.all(ends)
  const outcomes = await Promise.all(started.map(({ done }) => done))
  const faults = []
  const digests = new Map()
  for (const [i, { status, stderr }] of outcomes.entries()) {
    if (status === 0) digests.set(i % 4, new Set([...(digests.get(i % 4) ?? []), idOf(i)]))
    else if (!killed.has(i)) faults.push(`build ${i} failed:\n${stderr}`)
  }
  for (const [kind, found] of digests) if (found.size > 1) faults.push(`kind ${kind} gave ${[...found].join(' and ')}`)
  // What the killed have left goes with the next build.
  const last = await start(0, cache).done
  if (last.status !== 0) faults.push(`the build after them failed:\n${last.stderr}`)
  const verify = ossb(['cache', 'verify', '--cache-dir', cache])
  if (verify.status !== 0) faults.push(`cache verify:\n${verify.stdout}${verify.stderr}`)
  faults.push(...leaks(cache))
  console.log(`${outcomes.filter(({ status }) => status === 0).length} succeeded; ${verify.stdout.trim()}`)
  for (const fault of faults) console.error(fault)
  return faults.length === 0
}

/** Four kinds of builds that share some steps. */
function prepare() {
  mkdirSync(join(root, 'tmp'))
  const made = spawnSync(process.execPath, [BASE, join(root, 'base')], { encoding: 'utf8' })
  if (made.status !== 0) throw new Error(made.stderr)
  for (let kind = 0; kind < 4; kind += 1) {
    const directory = join(root, `app${kind}`)
    mkdirSync(directory)
    writeFileSync(join(directory, 'file'), `file ${kind % 2}\n`.repeat(1_000_000))
    writeFileSync(
      join(directory, 'Dockerfile'),
      `FROM oci-layout://${root}/base:base AS tools
RUN --mount=type=cache,target=/var/cache echo tools > /tool
FROM oci-layout://${root}/base:base
COPY file /file
RUN cat /file /file > /twice
COPY --from=tools /tool /tool
RUN echo ${kind} > /kind
`,
    )
  }
}

function start(i, cache) {
  const kind = i % 4
  const output = ['-o', 'image', '-o', `type=oci,dest=${join(root, `out${i}.tar`)},rewrite-timestamp=true`, '--iidfile', join(root, `id${i}`)]
  const shared = ['--cache-from', `type=local,src=${root}/shared`, '--cache-to', `type=local,dest=${root}/shared,mode=max`]
  const args = ['build', '--progress', 'plain', '--cache-dir', cache, '-t', `app:${kind}`, ...output, ...shared]
  const child = spawn(process.execPath, [OSSB, ...args, join(root, `app${kind}`)], {
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  const done = new Promise((resolve) => child.on('close', (status) => resolve({ status, stderr })))
  return { child, done }
}

/** The whole group: what would tidy up after the others goes with them. */
async function killLater({ child }) {
  await delay(random() * 2000)
  if (child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

function ossb(args) {
  return spawnSync(process.execPath, [OSSB, ...args], { env: environment, encoding: 'utf8' })
}

function idOf(i) {
  return readFileSync(join(root, `id${i}`), 'utf8')
}

/** Processes, mounts, work of builds and half-written files. */
function leaks(cache) {
  const files = readdirSync(cache, { recursive: true }).map(String)
  const left = files.filter((name) => /(^|\/)\.tmp-/.test(name) && !name.startsWith('snapshots/'))
  const work = readdirSync(join(cache, 'work'))
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(root))
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid && uses(name))
  const temporary = readdirSync(join(root, 'tmp'))
  return [
    ...left.map((name) => `left in the cache: ${name}`),
    ...work.map((name) => `left of a build: ${name}`),
    ...mounts.map((line) => `left mounted: ${line}`),
    ...processes.map((pid) => `left running: ${pid}`),
    ...temporary.map((name) => `left in the temporary directory: ${name}`),
  ]
}

function uses(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(root)
  } catch {
    return false
  }
}

function shuffled(count) {
  const all = Array.from({ length: count }, (_none, i) => i)
  return all.map((i) => [random(), i]).sort(([a], [b]) => a - b).map(([, i]) => i)
}

/** mulberry32 */
function randomFrom(start) {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
