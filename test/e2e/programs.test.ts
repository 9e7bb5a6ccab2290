import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mustRun } from '../support/command.ts'

const CHECKOUT = new URL('../..', import.meta.url).pathname

/** The package as `npm pack` makes it, beside the packages that it depends on. */
let home = ''
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'ossb-programs-'))
  await mustRun('npm', ['pack', '--ignore-scripts', '--pack-destination', home], { cwd: CHECKOUT })
  const archive = (await readdir(home)).find((name) => name.endsWith('.tgz')) ?? ''
  await mustRun('tar', ['-xzf', archive], { cwd: home })
  const { dependencies } = JSON.parse(await readFile(join(CHECKOUT, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies)) {
    const link = join(home, 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(join(CHECKOUT, 'node_modules', name), link)
  }
})
afterAll(() => rm(home, { recursive: true }))

const program = (name: string) => join(home, 'package/dist/cli', `${name}.js`)

test.each([
  ['ossb', ['version'], /^ossb \d/],
  ['ossb', ['build', '--help'], /--cache-dir/],
  ['executor', ['version'], /^Kaniko version/],
  ['executor', ['--help'], /--destination/],
  ['warmer', ['--help'], /--image/],
])('%s %j of the packed package runs', async (name, args, text) => {
  expect(await mustRun(process.execPath, [program(name), ...args])).toMatch(text)
})

test('the packed program builds: it finds the helper, the WASM module and the worker', async () => {
  const context = join(home, 'context')
  await mkdir(context)
  // More than is compressed without a worker.
  await writeFile(join(context, 'file'), Buffer.alloc(3_000_000, 'some text '))
  await writeFile(join(context, 'Dockerfile'), 'FROM scratch\nCOPY file /\n')
  const dest = join(home, 'image.tar')
  const flags = ['--cache-dir', join(home, 'cache'), '--progress', 'quiet', '-o', `type=oci,dest=${dest}`]
  const digest = await mustRun(process.execPath, [program('ossb'), 'build', ...flags, context])
  expect(digest).toMatch(/^sha256:[0-9a-f]{64}\n$/)
  expect(await mustRun('tar', ['-tf', dest])).toContain('blobs/sha256/')
})

test('the packed library can be imported', async () => {
  const script = `const ossb = await import(process.argv[1]); console.log(typeof ossb.build, typeof ossb.OssbError)`
  const index = join(home, 'package/dist/index.js')
  expect(await mustRun(process.execPath, ['--input-type=module', '-e', script, index])).toBe(
    'function function\n',
  )
})

/** The packages of which something is in the files that a command loads, as the bundler names them. */
async function packagesLoadedBy(name: string, args: readonly string[]): Promise<readonly string[]> {
  const coverage = await mkdtemp(join(home, 'coverage-'))
  await mustRun(process.execPath, [program(name), ...args], {
    env: { ...process.env, NODE_V8_COVERAGE: coverage },
  })
  const packages = new Set<string>()
  for (const file of await readdir(coverage)) {
    const { result } = JSON.parse(await readFile(join(coverage, file), 'utf8')) as {
      result: readonly { readonly url: string }[]
    }
    for (const { url } of result) {
      if (!url.startsWith('file:') || !url.includes('/package/dist/')) continue
      const text = await readFile(new URL(url), 'utf8')
      for (const [, found = ''] of text.matchAll(/^\/\/ ?(?:#region )?node_modules\/((?:@[^/]+\/)?[^/]+)/gm))
        packages.add(found)
    }
  }
  return [...packages].sort()
}

test.each([
  ['ossb', ['version'], []],
  ['ossb', ['--help'], []],
  ['ossb', ['build', '--help'], ['yargs-parser']],
  ['executor', ['version'], []],
])('%s %j loads none of the packages that it does not need', async (name, args, needed) => {
  expect(await packagesLoadedBy(name, args)).toEqual(needed)
})

test('the licences of what the programs contain come with them', async () => {
  const licences = await readFile(join(home, 'package/dist/THIRD-PARTY-LICENSES'), 'utf8')
  const chunks = join(home, 'package/dist/chunks')
  const packages = new Set<string>()
  for (const name of await readdir(chunks))
    for (const [, found = ''] of (await readFile(join(chunks, name), 'utf8')).matchAll(
      /^\/\/ ?(?:#region )?.*node_modules\/((?:@[^/]+\/)?[^/\n]+)\//gm,
    ))
      packages.add(found)
  expect(packages).toContain('undici')
  for (const name of packages) expect(licences).toMatch(new RegExp(`^${name} \\d`, 'm'))
})
