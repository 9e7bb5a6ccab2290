// What a RUN costs beyond its process: /bin/true in a root of its own by ossb, bubblewrap and crun, against a plain
// spawn of the same file. All take turns in one process, each from spawn() to the end of its output; crun and bubblewrap
// make the namespaces that ossb makes (crun by the configuration that `crun spec` gives).
//   node scripts/bench/run.mjs [ROUNDS [USER]]     needs dist/ (npm run build:ts), busybox-static, bubblewrap, crun
// As root it measures rung 1, and the others as USER, who must be able to read this checkout; else those of its own user.
// Prints Markdown, and ends with status 1 where ossb costs more than it may.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { createNamespaceExecutor, enterNamespace, NAMESPACE_VARIABLE } from '../../dist/executors/index.js'
import { loadHelper } from '../../dist/native/index.js'

const ROUNDS = Number(process.argv[2] ?? 200)
const USER = process.argv[3]
const WARM_UP = 5
/** What a RUN sees of the machine in /etc: ossb writes them for each, the others get them ready-made. */
const FILES = ['hosts', 'resolv.conf']
/** Milliseconds above a plain spawn. */
const RUNGS = [
  { name: 'rung 1, root', limit: 5, environment: {} },
  { name: 'rung 2, id range', limit: 5, environment: {} },
  { name: 'rung 3, one id', limit: 8, environment: { OSSB_ID_RANGE: 'none' } },
]
const job = { signal: new AbortController().signal, emit: () => {} }
const program = fileURLToPath(import.meta.url)
const isInside = process.env[NAMESPACE_VARIABLE] !== undefined
const rungVariable = 'BENCH_RUNG'

function makeRoot(directory) {
  const root = join(directory, 'root')
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp']) mkdirSync(join(root, name), { recursive: true })
  copyFileSync(execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim(), join(root, 'bin/true'))
  for (const name of FILES) {
    writeFileSync(join(root, 'etc', name), '')
    writeFileSync(join(directory, name), '127.0.0.1 localhost\n')
  }
  return root
}

async function spawned(command, args) {
  const child = spawn(command, args, { cwd: '/', env: { PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk))
  const [status] = await once(child, 'close')
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${said}`)
}

const PROCESS = {
  args: ['/bin/true'], env: ['PATH=/bin'], cwd: '/', user: '', hostname: 'bench', network: 'default', security: 'sandbox',
  mounts: [], extraHosts: [], shmSize: 65536, limits: [],
}

async function executed(executor, root) {
  const { exitCode } = await executor.run(PROCESS, root, job)
  if (exitCode !== 0) throw new Error(`the executor ended with ${exitCode}`)
}

function bubblewrapArguments(directory, root) {
  const files = FILES.flatMap((name) => ['--ro-bind', join(directory, name), `/etc/${name}`])
  const namespaces = ['ipc', 'pid', 'uts', 'cgroup'].map((name) => `--unshare-${name}`)
  return ['--die-with-parent', ...namespaces, '--bind', root, '/', '--proc', '/proc', '--dev', '/dev', ...files, '/bin/true']
}

/** crun may find controllers in both versions of cgroups, and then does not start. */
function crunArguments(directory, root) {
  const spec = JSON.parse(crunSpec(directory))
  const namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'network' && type !== 'user')
  const { uidMappings: _uids, gidMappings: _gids, resources: _resources, ...linux } = { ...spec.linux, namespaces }
  const files = FILES.map((name) => ({ destination: `/etc/${name}`, type: 'none', source: join(directory, name), options: ['bind', 'ro'] }))
  const mounts = [...spec.mounts.filter(({ type }) => type !== 'cgroup'), ...files]
  const config = { ...spec, linux, mounts, root: { path: root }, process: { ...spec.process, terminal: false, args: ['/bin/true'] } }
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config))
  mkdirSync(join(directory, 'nothing'))
  spawnSync('mount', ['--bind', join(directory, 'nothing'), '/sys/fs/cgroup/unified'])
  return ['--cgroup-manager=disabled', '--root', join(directory, 'state'), 'run', '--bundle', directory, 'bench']
}

function crunSpec(directory) {
  const rootless = process.env[NAMESPACE_VARIABLE] === 'rootless' ? ['--rootless'] : []
  execFileSync('crun', ['spec', ...rootless], { cwd: directory })
  return readFileSync(join(directory, 'config.json'), 'utf8')
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]

async function measure(rung) {
  const directory = mkdtempSync(join(tmpdir(), 'ossb-bench-run-'))
  const executor = createNamespaceExecutor({ name: process.env[NAMESPACE_VARIABLE], helper: loadHelper(), scratch: () => directory })
  try {
    const root = makeRoot(directory)
    const crun = crunArguments(directory, root)
    const bubblewrap = bubblewrapArguments(directory, root)
    const ways = [
      ['plain spawn', () => spawned(join(root, 'bin/true'), [])],
      ['ossb', () => executed(executor, root)],
      ['bubblewrap', () => spawned('bwrap', bubblewrap)],
      ['crun run', () => spawned('crun', crun)],
    ]
    const times = ways.map(() => [])
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      for (const [index, [, run]] of ways.entries()) {
        const start = performance.now()
        await run()
        if (round >= 0) times[index].push(performance.now() - start)
      }
    }
    return judge(rung, ways.map(([name], index) => ({ name, median: median(times[index]), least: Math.min(...times[index]) })))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function judge({ name, limit }, rows) {
  const [plain, ours, bwrap, crun] = rows
  console.log(`\n${name}: milliseconds, ${ROUNDS} rounds\n\n| | median | least | above plain |\n|---|---|---|---|`)
  for (const row of rows)
    console.log(`| ${row.name} | ${row.median.toFixed(2)} | ${row.least.toFixed(2)} | ${(row.median - plain.median).toFixed(2)} |`)
  const cost = ours.median - plain.median
  const failures = [
    ...(cost > limit ? [`costs ${cost.toFixed(2)} ms, more than ${limit}`] : []),
    ...[bwrap, crun].filter((other) => other.median < ours.median).map((other) => `takes longer than ${other.name}`),
  ]
  for (const failure of failures) console.log(`FAILED: ${name}: ossb ${failure}`)
  return failures.length === 0 ? 0 : 1
}

/** Inside the namespaces that the builder itself enters: once for all that it runs there. */
async function enter(index) {
  const kind = index === 0 ? 'local' : 'rootless'
  const environment = { ...process.env, ...RUNGS[index].environment, [rungVariable]: String(index) }
  return await enterNamespace({ kind, helper: loadHelper(), command: [process.execPath, program, String(ROUNDS)], environment, oneId: 'allowed' }, job)
}

/** Starts this program again as an ordinary user. */
function asUser(user) {
  return spawnSync('runuser', ['-u', user, '--', process.execPath, program, String(ROUNDS)], { cwd: '/', stdio: 'inherit' }).status ?? 1
}

async function main() {
  console.log(`${cpus()[0]?.model}, ${cpus().length} processors, Node ${process.version}`)
  if (process.getuid() !== 0) return Math.max(await enter(1), await enter(2))
  const own = await enter(0)
  return USER === undefined ? own : Math.max(own, asUser(USER))
}

process.exitCode = isInside ? await measure(RUNGS[Number(process.env[rungVariable])]) : await main()
