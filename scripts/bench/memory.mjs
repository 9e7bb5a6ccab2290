// Builds an image with one large layer as the executor does, and prints the most memory that all its processes had at once:
//   node scripts/bench/memory.mjs [GIBIBYTES]      needs dist/ (npm run build:ts)
// The layer is data that gzip can make half as large. Ends with status 1 where it takes more memory than it may.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

const GIBIBYTES = Number(process.argv[2] ?? 2)
const MAX_MIB = 400
const program = new URL('../../dist/cli/executor.js', import.meta.url).pathname
const directory = mkdtempSync(join(tmpdir(), 'ossb-memory-'))

/** Each page that processes share counts in parts (proc_pid_smaps_rollup: Pss). */
function memoryOf(pid) {
  try {
    const pss = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]
    return Number(pss ?? 0) / 1024
  } catch {
    return 0
  }
}

/** A process and all that it has started, and they. */
function familyOf(pid) {
  const parents = new Map()
  for (const name of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    try {
      const parent = /\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]
      parents.set(name, [...(parents.get(name) ?? []), parent])
    } catch {}
  }
  const family = new Set([String(pid)])
  for (let before = 0; before !== family.size; ) {
    before = family.size
    for (const [child, [parent]] of parents) if (family.has(parent)) family.add(child)
  }
  return [...family]
}

try {
  mkdirSync(join(directory, 'context'))
  writeFileSync(join(directory, 'context/Dockerfile'), 'FROM scratch\nCOPY large /\n')
  const file = openSync(join(directory, 'context/large'), 'w')
  const piece = Buffer.alloc(1024 * 1024)
  for (let written = 0; written < GIBIBYTES * 1024; written += 1) {
    randomBytes(piece.length / 2).copy(piece)
    writeSync(file, piece)
  }
  closeSync(file)
  const args = ['--context', join(directory, 'context'), '--no-push', '--kaniko-dir', directory, '--tar-path', join(directory, 'image.tar')]
  const start = process.hrtime.bigint()
  const build = spawn(process.execPath, [program, ...args], { stdio: 'inherit' })
  const ended = once(build, 'exit')
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, familyOf(build.pid).reduce((sum, pid) => sum + memoryOf(pid), 0))
  }, 100)
  const [status] = await ended
  clearInterval(timer)
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  console.log(`${GIBIBYTES} GiB: status ${status}, ${seconds.toFixed(1)} s, ${peak.toFixed(0)} MiB at most`)
  process.exitCode = status === 0 && peak < MAX_MIB ? 0 : 1
} finally {
  rmSync(directory, { recursive: true, force: true })
}
