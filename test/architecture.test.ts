import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { architectureBreaches } from './support/architecture.ts'

const SOURCE_ROOT = new URL('../src/', import.meta.url).pathname

async function readSources(): Promise<Map<string, string>> {
  const names = (await readdir(SOURCE_ROOT, { recursive: true })).filter((name) => name.endsWith('.ts'))
  const texts = await Promise.all(names.map((name) => readFile(join(SOURCE_ROOT, name), 'utf8')))
  return new Map(names.map((name, index) => [name, texts[index] ?? '']))
}

test('src/ keeps the floors, the doors and the places of what touches the outside', async () => {
  const sources = await readSources()
  expect(sources.size).toBeGreaterThan(20)
  expect([...sources.keys()]).toContain('core/index.ts')
  expect(architectureBreaches(sources)).toEqual([])
})

describe('architectureBreaches()', () => {
  const forged = (files: Record<string, string>): string[] =>
    architectureBreaches(
      new Map([
        ['core/index.ts', ''],
        ['core/digest.ts', ''],
        ['oci/index.ts', ''],
        ['store/index.ts', ''],
        ['solver/index.ts', ''],
        ['index.ts', ''],
        ['options/index.ts', ''],
        ['images/index.ts', ''],
        ...Object.entries(files),
      ]),
    )

  test.each([
    ['an upward import', 'core/bad.ts', "import type { X } from '../oci/index.ts'", 'upward import'],
    ['a sideways import', 'registry/bad.ts', "import { x } from '../store/index.ts'", 'sideways import'],
    [
      'an import past the door',
      'oci/bad.ts',
      "import { x } from '../core/digest.ts'",
      "not the folder's index.ts",
    ],
    ['a multi-line import', 'core/bad.ts', "import {\n  x,\n} from '../oci/index.ts'", 'upward import'],
    ['a re-export', 'core/bad.ts', "export * from '../oci/index.ts'", 'upward import'],
    ['a dynamic import', 'core/bad.ts', "const x = await import('../oci/index.ts')", 'upward import'],
    ['a type query', 'core/bad.ts', "type X = import('../oci/index.ts').X", 'upward import'],
    ['an import for its effect', 'core/bad.ts', "import '../oci/index.ts'", 'upward import'],
    [
      'an import of options from below',
      'solver/bad.ts',
      "import type { X } from '../options/index.ts'",
      'upward import',
    ],
    [
      'options that know who reads them',
      'options/bad.ts',
      "import { x } from '../images/index.ts'",
      'upward import',
    ],
    [
      'a command line that knows more',
      'cli/bad.ts',
      "import { x } from '../core/index.ts'",
      'public API only',
    ],
    ['a folder without a floor', 'misc/bad.ts', "import { x } from '../core/index.ts'", 'has no floor'],
    ['a file that is not there', 'oci/bad.ts', "import { x } from './gone.ts'", 'no such file'],
    ['an import from the tests', 'oci/bad.ts', "import { x } from '../../test/x.ts'", 'leaves src/'],
    [
      'a child process',
      'fs/bad.ts',
      "import { spawn } from 'node:child_process'",
      'only in io/run-process.ts',
    ],
    [
      'a second child process in io',
      'io/bad.ts',
      "import { spawn } from 'child_process'",
      'only in io/run-process.ts',
    ],
    ['undici', 'store/bad.ts', "import { request } from 'undici'", 'only in registry, sources'],
    ['a socket', 'solver/bad.ts', "import net from 'node:net'", 'only in registry, sources'],
    ['a worker', 'layer/bad.ts', "import { Worker } from 'node:worker_threads'", 'only in codec'],
    ['WebAssembly', 'layer/bad.ts', 'await WebAssembly.compile(bytes)', 'WebAssembly only in codec'],
    ['the global fetch', 'store/bad.ts', 'const x = await fetch(url)', 'fetch only in registry'],
    ['console', 'solver/bad.ts', "console.log('x')", 'console only in cli'],
    ['the environment', 'registry/bad.ts', 'const home = process.env["HOME"]', 'process.env only in cli'],
    ['an exit status', 'build.ts', 'process.exitCode = 1', 'process.exitCode only in cli'],
  ])('catches %s', (_name, file, text, breach) => {
    const breaches = forged({ [file]: text })
    expect(breaches).toHaveLength(1)
    expect(breaches[0]).toContain(file)
    expect(breaches[0]).toContain(breach)
  })

  test('catches a cycle, type imports included, and names it once', () => {
    const files = { 'oci/a.ts': "import type { B } from './b.ts'", 'oci/b.ts': "import { a } from './a.ts'" }
    expect(forged(files)).toEqual(['cycle: oci/a.ts -> oci/b.ts -> oci/a.ts'])
  })

  test.each([
    ['a downward import', 'solver/good.ts', "import { x } from '../core/index.ts'"],
    ['an import inside the folder', 'store/good.ts', "export { x } from './index.ts'"],
    [
      'the command line using the public API',
      'cli/good.ts',
      "import { build } from '../index.ts'\nprocess.exitCode = 1",
    ],
    ['an import of options from above', 'images/good.ts', "import type { X } from '../options/index.ts'"],
    ['a comment', 'core/good.ts', "// import { x } from '../oci/index.ts'\n/* process.exit() */"],
    ['a parameter called process', 'executors/good.ts', 'const f = (process: Spec) => process.env.length'],
    ['a child process in its place', 'io/run-process.ts', "import { spawn } from 'node:child_process'"],
  ])('accepts %s', (_name, file, text) => {
    expect(forged({ [file]: text })).toEqual([])
  })
})
