import { posix } from 'node:path'

/** Source files by their path relative to `src/`, with their text. */
export type Sources = ReadonlyMap<string, string>

const FLOORS: readonly (readonly string[])[] = [
  ['core'],
  ['io', 'fs', 'native', 'codec', 'oci', 'cloud'],
  ['layer', 'store', 'registry', 'sources', 'inventory'],
  ['graph', 'snapshot', 'executors', 'cache'],
  ['frontends', 'solver', 'exporters'],
  ['options'],
  ['images'],
  ['inputs'],
  [''],
  ['cli'],
]

/** Modules that only some places may import; a place is a folder or one file. */
const MODULE_PLACES: readonly { readonly modules: RegExp; readonly places: readonly string[] }[] = [
  { modules: /^(node:)?child_process$/, places: ['io/run-process.ts', 'native'] },
  {
    modules: /^(node:)?(net|tls|dgram|dns|https?|http2)(\/|$)|^undici(\/|$)/,
    places: ['registry', 'sources'],
  },
  { modules: /^(node:)?worker_threads$|^@bjorn3\/browser_wasi_shim$/, places: ['codec'] },
  { modules: /^(node:)?process$/, places: ['cli'] },
]

const GLOBAL_PLACES: readonly { readonly name: string; readonly pattern: RegExp; readonly place: string }[] =
  [
    { name: 'console', pattern: /(?<![.\w$])console\s*\.\s*\w/, place: 'cli' },
    { name: 'WebAssembly', pattern: /(?<![.\w$])WebAssembly\b/, place: 'codec' },
    {
      name: 'fetch',
      // A call, in a file that has no `fetch` of its own.
      pattern:
        /^(?![\s\S]*\b(?:const|let|function)\s+fetch\b)[\s\S]*(?:\b(?:await|return)|[=(])\s*fetch\s*\(/,
      place: 'registry',
    },
  ]

/** Every breach of the rules, as one line each; empty when there is none. */
export function architectureBreaches(sources: Sources): string[] {
  const breaches: string[] = []
  const edges = new Map<string, string[]>()
  for (const [file, text] of sources) {
    const code = withoutComments(text)
    const imports = importsOf(code)
    edges.set(file, [])
    for (const specifier of imports) {
      if (!specifier.startsWith('.')) breaches.push(...moduleBreaches(file, specifier))
      else {
        const target = posix.join(posix.dirname(file), specifier)
        edges.get(file)?.push(target)
        breaches.push(...importBreaches(sources, file, target))
      }
    }
    breaches.push(...globalBreaches(file, code))
  }
  return [...breaches, ...cycles(edges)]
}

function importBreaches(sources: Sources, file: string, target: string): string[] {
  const line = `${file} -> ${target}`
  if (target.startsWith('..')) return /^\.\.\/package\.json$/.test(target) ? [] : [`${line}: leaves src/`]
  if (!sources.has(target)) return [`${line}: no such file`]
  const [from, to] = [folderOf(file), folderOf(target)]
  if (from === to) return []
  const [fromFloor, toFloor] = [floorOf(from), floorOf(to)]
  if (fromFloor === undefined) return [`${file}: folder "${from}" has no floor`]
  if (toFloor === undefined) return [`${line}: folder "${to}" has no floor`]
  const breaches: string[] = []
  if (toFloor > fromFloor) breaches.push(`${line}: upward import`)
  if (toFloor === fromFloor) breaches.push(`${line}: sideways import`)
  if (from === 'cli' && target !== 'index.ts')
    return [...breaches, `${line}: the command line knows the public API only`]
  if (to !== '' && to !== target && target !== `${to}/index.ts`)
    breaches.push(`${line}: not the folder's index.ts`)
  return breaches
}

function moduleBreaches(file: string, specifier: string): string[] {
  return MODULE_PLACES.filter(({ modules }) => modules.test(specifier))
    .filter(({ places }) => !places.some((place) => isIn(file, place)))
    .map(({ places }) => `${file} -> ${specifier}: only in ${places.join(', ')}`)
}

function globalBreaches(file: string, code: string): string[] {
  const breaches = GLOBAL_PLACES.filter(({ place, pattern }) => !isIn(file, place) && pattern.test(code)).map(
    ({ name, place }) => `${file}: ${name} only in ${place}`,
  )
  return isIn(file, 'cli')
    ? breaches
    : [...breaches, ...processUses(code).map((use) => `${file}: ${use} only in cli`)]
}

/** Uses of the global `process`. A parameter of that name (a ProcessSpec) hides it, and its own members are no use. */
function processUses(code: string): string[] {
  const hidden = /(?<![.\w$])process\s*\??\s*:\s*\w|\b(const|let)\s+process\b/.test(code)
  const specMembers = new Set(['env', 'cwd', 'args'])
  const uses = [...code.matchAll(/(?<![.\w$])process\s*\??\.\s*(\w+)/g)].map((match) => match[1] ?? '')
  return [...new Set(uses)]
    .filter((member) => member in process && !(hidden && specMembers.has(member)))
    .map((member) => `process.${member}`)
}

function importsOf(code: string): string[] {
  const patterns = [
    /\b(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/g,
    /\bimport\s*['"]([^'"]+)['"]/g,
    /\b(?:import|require|createRequire\([^)]*\))\s*\(\s*['"]([^'"]+)['"]/g,
  ]
  return [
    ...new Set(patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? ''))),
  ]
}

/** The code without its comments; strings stay, for the import specifiers are strings. */
function withoutComments(text: string): string {
  const pattern = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g
  return text.replace(pattern, (_match, literal: string | undefined) => literal ?? '')
}

/** Each cycle once, starting at its first file by name. Type imports count. */
function cycles(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const found = new Set<string>()
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file)
    if (at >= 0) {
      found.add(rotated(path.slice(at)))
      return
    }
    if (done.has(file)) return
    for (const next of edges.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of edges.keys()) visit(file, [])
  return [...found]
}

function rotated(cycle: readonly string[]): string {
  const first = cycle.indexOf([...cycle].sort()[0] ?? '')
  const turned = [...cycle.slice(first), ...cycle.slice(0, first + 1)]
  return `cycle: ${turned.join(' -> ')}`
}

/** A file that is a floor of its own is like a folder. */
function folderOf(file: string): string {
  if (floorOf(file) !== undefined) return file
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : ''
}

function floorOf(folder: string): number | undefined {
  const floor = FLOORS.findIndex((folders) => folders.includes(folder))
  return floor < 0 ? undefined : floor
}

function isIn(file: string, place: string): boolean {
  return file === place || file.startsWith(`${place}/`)
}
