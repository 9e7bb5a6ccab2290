// All that the README says of speed and memory, measured anew:
//   node scripts/bench/all.mjs [--json FILE] [ROUNDS]     as root; needs what each script beside this one names
// Prints their tables as Markdown, under the machine and the versions of all programs; about 40 minutes for 5 rounds, in
// which the machine should do nothing else.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { describeMachine } from './measure.mjs'

const { values: options, positionals } = parseArgs({ options: { json: { type: 'string' } }, allowPositionals: true })
const [rounds = '5'] = positionals

const SCRIPTS = [
  { name: 'build', title: 'Whole builds', args: (json) => ['--json', json, rounds] },
  { name: 'unpack', title: 'Unpacking a base image', args: (json) => ['--json', json, '--rounds', rounds] },
  { name: 'codec', title: 'Compression and hashing', args: (json) => [rounds, '--json', json] },
]

const VERSIONS = [
  ['buildah', '--version'],
  ['umoci', '--version'],
  ['skopeo', '--version'],
  ['tar', '--version'],
  ['gzip', '--version'],
  ['pigz', '--version'],
  ['zstd', '--version'],
]

function versionOf([program, flag]) {
  const { stdout, stderr, error } = spawnSync(program, [flag], { encoding: 'utf8' })
  return error === undefined ? /\d+\.\d+(?:\.\d+)?/.exec(stdout + stderr)?.[0] : undefined
}

const date = new Date().toISOString().slice(0, 10)
const versions = Object.fromEntries(VERSIONS.map((one) => [one[0], versionOf(one)]))
const directory = mkdtempSync(join(tmpdir(), 'ossb-bench-all-'))
const results = {}
try {
  const named = Object.entries(versions).flatMap(([name, version]) => (version === undefined ? [] : `${name} ${version}`))
  console.log(`${date}, ${describeMachine()}; ${named.join(', ')}`)
  for (const { name, title, args } of SCRIPTS) {
    const json = join(directory, `${name}.json`)
    const script = new URL(`${name}.mjs`, import.meta.url).pathname
    console.log(`\n### ${title}\n`)
    const { status } = spawnSync('node', [script, ...args(json)], { stdio: 'inherit' })
    if (status !== 0) process.exitCode = 1
    results[name] = JSON.parse(readFileSync(json, 'utf8'))
  }
  if (options.json !== undefined)
    writeFileSync(options.json, JSON.stringify({ date, machine: describeMachine(), versions, results }, undefined, 2))
} finally {
  rmSync(directory, { recursive: true, force: true })
}
