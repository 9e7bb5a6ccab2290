// What tracing costs (executor "traced"): a trivial RUN, a program that is started, and a call that names a file, each
// against the same without it. The shell of busybox does the work, so the figures of calls have its own loop taken off.
//   node scripts/bench/trace.mjs [ROUNDS]     as an ordinary user; needs dist/ (npm run build:ts) and busybox-static
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createTracedExecutor } from '../../dist/executors/index.js'
import { loadHelper, openFileSession } from '../../dist/native/index.js'

const ROUNDS = Number(process.argv[2] ?? 20)
const CALLS = 5000
const PROGRAMS = 200
const loop = (count, body) => `i=0; while [ $i -lt ${count} ]; do ${body}; i=$((i+1)); done`
const CASES = [
  { name: 'a trivial RUN (ms)', script: ':', per: 1 },
  { name: 'a call with a path (ms per 1000)', script: loop(CALLS, '[ -e /bin/sh ]'), without: loop(CALLS, '[ 1 ]'), per: CALLS / 1000 },
  { name: 'a program started (ms)', script: loop(PROGRAMS, '/bin/true'), per: PROGRAMS },
]
const job = { signal: new AbortController().signal, emit: () => {} }
const PROCESS = {
  env: ['PATH=/bin'], cwd: '/', user: '', hostname: 'bench', network: 'default', security: 'sandbox',
  mounts: [], extraHosts: [], shmSize: 65536, limits: [],
}

function makeRoot(directory) {
  const root = join(directory, 'root')
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp']) mkdirSync(join(root, name), { recursive: true })
  copyFileSync(execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim(), join(root, 'bin/busybox'))
  for (const name of ['sh', 'true']) symlinkSync('busybox', join(root, 'bin', name))
  return root
}

async function timeOf(action) {
  const times = []
  for (let round = -1; round < ROUNDS; round++) {
    const start = performance.now()
    await action()
    if (round >= 0) times.push(performance.now() - start)
  }
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]
}

async function plain(root, script) {
  const child = spawn(join(root, 'bin/busybox'), ['sh', '-c', script.replaceAll('/bin/', `${root}/bin/`)], { cwd: '/', env: {}, stdio: 'ignore' })
  const [status] = await once(child, 'close')
  if (status !== 0) throw new Error(`busybox ended with ${status}`)
}

async function traced(executor, root, script) {
  const { exitCode } = await executor.run({ ...PROCESS, args: ['/bin/sh', '-c', script] }, root, job)
  if (exitCode !== 0) throw new Error(`the executor ended with ${exitCode}`)
}

const directory = mkdtempSync(join(tmpdir(), 'ossb-bench-trace-'))
const helper = { ...loadHelper(), recordsModes: true }
const session = openFileSession(helper)
try {
  const root = makeRoot(directory)
  const executor = createTracedExecutor({ helper, session, scratch: () => directory })
  console.log(`${cpus()[0]?.model}, ${cpus().length} processors, Node ${process.version}; medians of ${ROUNDS}\n`)
  console.log('| | plain | traced |\n|---|---|---|')
  for (const { name, script, without, per } of CASES) {
    const figures = []
    for (const run of [(text) => plain(root, text), (text) => traced(executor, root, text)])
      figures.push(((await timeOf(() => run(script))) - (without === undefined ? 0 : await timeOf(() => run(without)))) / per)
    console.log(`| ${name} | ${figures.map((figure) => figure.toFixed(2)).join(' | ')} |`)
  }
} finally {
  await session[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
}
