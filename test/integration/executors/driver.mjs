/**
 * Runs processes by an executor in the namespaces that a build enters, as a program of its own: what enters a namespace
 * cannot be a test's own process. Reads {dist, executor, runtime, cases} from the file it is given; writes one outcome
 * a case to the file beside it.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [, program, file] = process.argv
const { dist, executor: name, runtime, directory, cases } = JSON.parse(readFileSync(file, 'utf8'))
const load = (path) => import(`${dist}/${path}/index.js`)
const { createChrootExecutor, createNamespaceExecutor, createOciRuntimeExecutor, enterNamespace, NAMESPACE_VARIABLE } =
  await load('executors')
const { loadHelper, openFileSession } = await load('native')

const helper = loadHelper()
const namespace = process.env[NAMESPACE_VARIABLE]
process.exitCode = namespace === undefined ? await enter() : await runCases()

async function enter() {
  const kind = process.getuid() === 0 ? 'local' : 'rootless'
  const command = [process.execPath, program, file]
  return await enterNamespace(
    { kind, helper, command, environment: process.env },
    { signal: new AbortController().signal, emit: () => {} },
  )
}

async function runCases() {
  const session = openFileSession(helper)
  const scratch = () => mkdtempSync(join(directory, 'scratch-'))
  const executors = {
    namespace: () => createNamespaceExecutor({ name: namespace, helper, scratch }),
    container: () => createOciRuntimeExecutor({ runtime, namespace, helper, session, scratch }),
    chroot: () => createChrootExecutor({ helper, session, scratch, copyTree, claim: async () => undefined }),
  }
  const executor = executors[name]()
  makeRoot(join(directory, 'template'))
  const outcomes = [{ probe: await executor.probe() }]
  for (const one of cases) outcomes.push(await runCase(executor, one))
  writeFileSync(`${file}.outcomes`, JSON.stringify(outcomes))
  await session[Symbol.asyncDispose]()
  execFileSync('find', [directory, '-mindepth', '1', '-delete'])
  return 0
}

async function copyTree(from, to) {
  execFileSync('cp', ['-a', `${from}/.`, to])
}

async function runCase(executor, { setUp, process: spec, abortAfter, check }) {
  const trial = mkdtempSync(join(directory, 'case-'))
  const rootfs = join(trial, 'root')
  execFileSync('cp', ['-a', join(directory, 'template'), rootfs])
  const shell = (script) => execFileSync('sh', ['-euc', script], { cwd: trial, encoding: 'utf8' })
  if (setUp !== undefined) shell(setUp)
  const before = listing(rootfs)
  const abort = new AbortController()
  if (abortAfter !== undefined) setTimeout(() => abort.abort(new Error('enough')), abortAfter)
  const output = { stdout: '', stderr: '' }
  const emit = ({ stream, chunk }) => void (output[stream] += Buffer.from(chunk).toString())
  const started = performance.now()
  const ended = await executor
    .run(processOf(spec, trial), rootfs, { signal: abort.signal, emit })
    .catch((error) => ({ error: error.message, code: error.code }))
  const outcome = { ...ended, ...output, milliseconds: performance.now() - started }
  outcome.changes = difference(before, listing(rootfs))
  if (check !== undefined) outcome.checked = shell(check)
  rmSync(trial, { recursive: true })
  return outcome
}

function processOf({ script, mounts = [], ...spec }, trial) {
  return {
    args: ['/bin/sh', '-c', script],
    env: ['PATH=/bin'],
    cwd: '/',
    user: '',
    hostname: 'builder',
    network: 'default',
    security: 'sandbox',
    extraHosts: [],
    shmSize: 1024 * 1024,
    limits: [],
    ...spec,
    mounts: mounts.map((mount) =>
      mount.source === undefined ? mount : { ...mount, source: join(trial, mount.source) },
    ),
  }
}

function makeRoot(rootfs) {
  mkdirSync(rootfs)
  chmodSync(rootfs, 0o755)
  const script = `mkdir -m 755 bin etc && mkdir -m 1777 tmp
    cp "$(command -v busybox)" bin/busybox
    bin/busybox --install -s bin
    for link in bin/*; do [ ! -L "$link" ] || ln -sf busybox "$link"; done
    printf 'root:x:0:0::/root:/bin/sh\\napp:x:1000:1001::/home/app:/bin/sh\\n' >etc/passwd
    printf 'root:x:0:\\napp:x:1001:\\nextra:x:2000:app\\nother:x:3000:\\n' >etc/group
    chmod 644 etc/passwd etc/group
    touch -d '2001-02-03 04:05:06.123456789' . bin etc tmp`
  execFileSync('sh', ['-euc', script], { cwd: rootfs })
}

/** Everything that a layer would record, by path. */
function listing(rootfs) {
  const format = '%P %y %m %U:%G %s %T@ %l\\0'
  const lines = execFileSync('find', ['.', '-printf', format], { cwd: rootfs, encoding: 'utf8' }).split('\0')
  return lines.map((line) => (/^\S* d /.test(line) ? line.replace(/^(\S* d \S+ \S+) \d+/, '$1') : line))
}

function difference(before, after) {
  return [
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
  ]
}
