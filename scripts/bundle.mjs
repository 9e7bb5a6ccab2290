/**
 * Puts the programs, with the packages that they use, into few files: from several hundred they would take longer to start
 * than most commands take. What a command does not need lies in chunks (dist/chunks/) that it does not load. The library
 * stays as it was compiled. Run by scripts/build-ts.sh, on what the compiler made.
 *   node scripts/bundle.mjs
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const DIST = join(ROOT, 'dist')
const PROGRAMS = ['cli/ossb', 'cli/executor', 'cli/warmer', 'codec/worker']

/** What is loaded together lies together: to find and open a file takes longer than to read a little more. */
const GROUPS = [
  { name: 'core', test: inFolders('core') },
  { name: 'system', test: inFolders('io', 'fs', 'native', 'executors', 'environment.js') },
  // A program of its own is not part of what others load.
  { name: 'codec', test: /\/dist\/codec\/(?!worker\.js$)/ },
  { name: 'http', test: /\/node_modules\/undici\/|\/dist\/registry\/http\/undici\.js$/ },
  { name: 'content', test: inFolders('oci', 'store', 'layer', 'registry', 'images') },
  {
    name: 'engine',
    test: inFolders('graph', 'frontends', 'sources', 'snapshot', 'cache', 'inputs', 'solver', 'exporters', 'foundation.js', 'caches.js', 'build.js', 'outputs.js', 'solve-plans.js'),
  },
].map((group, at, { length }) => ({ ...group, priority: length - at }))

/** Files that are found by where a module lies (the helper, the WASM module, package.json) are found from its chunk. */
const keepPlaces = {
  name: 'keep-places',
  transform(code, id) {
    if (!id.startsWith(DIST) || !code.includes('import.meta.url')) return null
    const place = `new URL(${JSON.stringify(`../${relative(DIST, id)}`)}, import.meta.url).href`
    return { code: code.replaceAll('import.meta.url', place), map: null }
  },
}

const bundle = await rolldown({
  cwd: ROOT,
  platform: 'node',
  // Large, each in one file already, and rarely needed.
  external: [/^zstd-codec/, /^xz-decompress/],
  input: Object.fromEntries(PROGRAMS.map((name) => [name, join(DIST, `${name}.js`)])),
  plugins: [keepPlaces],
  // What one command loads when it needs it, another has loaded from the start.
  checks: { ineffectiveDynamicImport: false },
  // Of yargs only the parser is used; the rest would be kept for what it does when it is loaded.
  treeshake: { moduleSideEffects: [{ test: /node_modules\/yargs\//, sideEffects: false }] },
})
const { output } = await bundle.write({
  dir: DIST,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: 'chunks/[name]-[hash].js',
  codeSplitting: { groups: GROUPS },
})
await bundle.close()
writeFileSync(join(DIST, 'THIRD-PARTY-LICENSES'), licencesOf(output.flatMap((one) => one.moduleIds ?? [])))

function inFolders(...names) {
  return new RegExp(`/dist/(${names.join('|')})(/|$)`)
}

/** The licences of the packages that modules came from. */
function licencesOf(modules) {
  const directories = new Set(modules.filter((id) => id.includes('/node_modules/')).map(packageDirectory))
  const texts = [...directories].sort().map((directory) => {
    const { name, version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
    const file = readdirSync(directory).find((one) => /^licen[cs]e/i.test(one))
    if (file === undefined) throw new Error(`Cannot bundle ${name}: it comes without the text of its licence`)
    return `${name} ${version} (${license})\n\n${readFileSync(join(directory, file), 'utf8').trim()}\n`
  })
  return `The programs in this directory contain these packages.\n\n${texts.join(`\n${'-'.repeat(80)}\n\n`)}`
}

/** Of a package, not of a part of one that has a package.json for its type alone. */
function packageDirectory(file) {
  let directory = dirname(file)
  for (;;) {
    const path = join(directory, 'package.json')
    if (existsSync(path) && JSON.parse(readFileSync(path, 'utf8')).name !== undefined) return directory
    directory = dirname(directory)
  }
}
