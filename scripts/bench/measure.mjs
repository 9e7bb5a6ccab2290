// What the benchmarks share: a command measured, and a registry of Debian's.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout } from 'node:timers/promises'

/** Runs a command and adds up, every 50 ms, the memory of all that it has started: pages that they share count in parts. */
const MEASURE = `
import ctypes, json, os, resource, subprocess, sys, threading, time
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what loses its parent stays in the tree
def parents():
    found = {}
    for name in os.listdir("/proc"):
        try:
            if name.isdigit(): found[int(name)] = int(open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()[1])
        except OSError: pass
    return found
def memory(pid):
    try: return next(int(line.split()[1]) for line in open(f"/proc/{pid}/smaps_rollup") if line.startswith("Pss:"))
    except (OSError, StopIteration): return 0
def tree():
    found, family = parents(), {os.getpid()}
    while more := {pid for pid, parent in found.items() if parent in family} - family: family |= more
    return sum(map(memory, family - {os.getpid()}))
peak, ended = 0, threading.Event()
def watch():
    global peak
    while not ended.wait(0.05): peak = max(peak, tree())
watches = sys.argv[1] == "memory"
watcher = threading.Thread(target=watch)
start = time.monotonic()
process = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
if watches: watcher.start()
error = process.communicate()[1]
wall = time.monotonic() - start
ended.set()
if watches: watcher.join()
use = resource.getrusage(resource.RUSAGE_CHILDREN)
if process.returncode: sys.exit(error.decode())
print(json.dumps({"wall": wall, "cpu": use.ru_utime + use.ru_stime, "user": use.ru_utime, "sys": use.ru_stime,
  "rss": peak / 1024 if watches else use.ru_maxrss / 1024}))`

/**
 * Runs a command: seconds of wall time and of processor time, and memory in MiB: the most of one process, or with
 * `tree` the most that all its processes had at once, which costs some time to look at.
 */
export function measure(command, { tree = false, ...options } = {}) {
  const result = spawnSync('python3', ['-c', MEASURE, tree ? 'memory' : 'plain', ...command], { encoding: 'utf8', ...options })
  if (result.status !== 0) throw new Error(`${command.join(' ')}: ${result.stderr}`)
  return JSON.parse(result.stdout)
}

/**
 * An empty directory for a benchmark, as root on a file system of its own: ext4 does not use inodes again for minutes after
 * they were freed and looks at each of them meanwhile, so that what was removed before slows down whoever makes files.
 */
export function makeDirectory(name, gibibytes) {
  const path = mkdtempSync(join(tmpdir(), `ossb-bench-${name}-`))
  const image = `${path}.ext4`
  const script = `truncate -s ${gibibytes}G "$1" && mkfs.ext4 -q -N 4000000 -E lazy_itable_init=0,lazy_journal_init=0 "$1" && mount -o loop "$1" "$2"`
  const isMounted = spawnSync('sh', ['-c', script, 'sh', image, path]).status === 0
  const remove = () => {
    if (isMounted) spawnSync('umount', ['--lazy', path])
    for (const left of [path, image]) rmSync(left, { recursive: true, force: true })
  }
  return { path, remove, note: isMounted ? 'a new ext4 file system' : 'the file system of TMPDIR' }
}

/** What the figures are of. */
export function describeMachine() {
  const { model } = cpus()[0]
  return `${cpus().length} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

/** Debian's docker-registry on a free port of loopback, with its content in `directory`/registry. */
export async function startRegistry(directory) {
  const config = join(directory, 'registry.json')
  const storage = { filesystem: { rootdirectory: join(directory, 'registry') } }
  const logging = { level: 'info', formatter: 'json', accesslog: { disabled: true } }
  writeFileSync(config, JSON.stringify({ version: 0.1, log: logging, storage, http: { addr: '127.0.0.1:0', secret: 'x' } }))
  // A file, and no pipe: nobody would read that while a measured command runs.
  const log = join(directory, 'registry.log')
  const child = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'ignore', openSync(log, 'w')] })
  for (let tries = 0; tries < 200; tries += 1) {
    const port = /listening on 127\.0\.0\.1:(\d+)/.exec(readFileSync(log, 'utf8'))?.[1]
    if (port !== undefined) return { host: `127.0.0.1:${port}`, stop: () => child.kill() }
    await setTimeout(50)
  }
  child.kill()
  throw new Error('docker-registry did not start')
}
