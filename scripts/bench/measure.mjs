// What the benchmarks share: a command measured, and a registry of Debian's.
import { spawn, spawnSync } from 'node:child_process'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

/** Runs a command: seconds of wall time and of processor time, and the most memory of one process in MiB. */
export function measure(command, options = {}) {
  const code = `
import json, resource, subprocess, sys, time
start = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
wall = time.monotonic() - start
use = resource.getrusage(resource.RUSAGE_CHILDREN)
if done.returncode: sys.exit(done.stderr.decode())
print(json.dumps({"wall": wall, "cpu": use.ru_utime + use.ru_stime, "user": use.ru_utime, "sys": use.ru_stime, "rss": use.ru_maxrss / 1024}))`
  const result = spawnSync('python3', ['-c', code, ...command], { encoding: 'utf8', ...options })
  if (result.status !== 0) throw new Error(`${command.join(' ')}: ${result.stderr}`)
  return JSON.parse(result.stdout)
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
