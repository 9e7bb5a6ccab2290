// Looks for texts that crash or stall what reads Dockerfiles and patterns:
//   node scripts/fuzz.mjs [MINUTES] [SEED] [TARGET]      needs dist/ (npm run build:ts)
// Every input follows from the seed and its own number. Ends with status 1 at the first text that makes a target throw
// something else than an OssbError, that takes too long, or whose time grows faster than its length.
import { readdirSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { digestOf, OssbError } from '../dist/core/index.js'
import { parseCheckOptions } from '../dist/frontends/dockerfile/lint.js'
import { parseGoDuration } from '../dist/frontends/dockerfile/go-format.js'
import { parseJsonForm } from '../dist/frontends/dockerfile/json-form.js'
import { parseMountFields } from '../dist/frontends/dockerfile/mount-fields.js'
import { readMountSettings } from '../dist/frontends/dockerfile/mount-settings.js'
import { replaceAll, replaceFirst, stripPrefix, stripSuffix } from '../dist/frontends/dockerfile/substitution-pattern.js'
import { splitWords } from '../dist/frontends/dockerfile/word-list.js'
import { expandWord, expandWords } from '../dist/frontends/dockerfile/words.js'
import { createDockerfileFrontend } from '../dist/frontends/index.js'
import { createPatternMatcher, goMatch, parseIgnoreFile } from '../dist/fs/index.js'

/** One text may take this long. */
const LIMIT_MS = 2_000
/** After this much processor time the text is given up: something does not end. */
const HANG_MS = 20_000
const GOLDEN = new URL('../test/golden/dockerfile/', import.meta.url)

const PLATFORM = { os: 'linux', architecture: 'amd64' }
const frontend = createDockerfileFrontend()
const job = { signal: new AbortController().signal, emit: () => undefined }
const resolve = async (reference, platform) => ({
  manifest: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: digestOf(reference), size: 1 },
  config: {
    ...platform,
    config: { Env: ['PATH=/bin', 'A=a b'], OnBuild: reference.includes('onbuild') ? ['RUN x', 'COPY . $A'] : [] },
    rootfs: { type: 'layers', diff_ids: [] },
  },
})
const inputOf = (text) => ({
  file: { name: 'Dockerfile', text },
  platforms: [PLATFORM],
  buildPlatform: PLATFORM,
  buildArgs: { B: 'b/c', E: '' },
  labels: {},
  namedContexts: ['named'],
  ignorePatterns: ['x', '*.y'],
})
const VARIABLES = { A: 'a b', B: 'b/c.d', E: '', L: 'la\nli\nlu'.repeat(50), U: 'äöü🚀' }
const lookup = (name) => VARIABLES[name]
const PATHS = ['a', 'a/b', 'a/b/c.txt', '.git/x', 'ä/🚀', 'a'.repeat(200), 'a/'.repeat(100)]

const PATTERNS = ['*a*b', '?*', 'aab', '*\na']

/** What is fed: a function of a text, the words that texts are made of, and texts to begin with. */
const TARGETS = {
  plan: {
    run: async (text) => {
      await frontend.plan(inputOf(text), resolve, job)
    },
    words: () => [...INSTRUCTIONS, ...LINE_WORDS],
    texts: () => goldenTexts(),
    frame: ['FROM debian\n', ''],
  },
  check: {
    run: async (text) => {
      await frontend.check(inputOf(text), resolve, job)
      await frontend.outline(inputOf(text), job)
      frontend.targets(inputOf(text))
    },
    words: () => [...INSTRUCTIONS, ...LINE_WORDS],
    texts: () => goldenTexts(),
    frame: ['FROM debian\n', ''],
  },
  expansion: {
    run: (text) => {
      for (const escape of ['\\', '`'])
        for (const quotes of ['process', 'literal']) {
          each(() => expandWord(text, lookup, { escape, quotes }))
          each(() => expandWords(text, lookup, { escape, quotes }))
        }
    },
    words: () => EXPANSION_WORDS,
    texts: () => ['${A:-${B%%/*}}', '${L//?i/x$0}', '"$A\\"${E:+x}"', "'x'$U"],
    longest: 30_000,
  },
  substitution: {
    run: (text) => {
      // The time is bounded by pattern times value: only one of them grows.
      const pairs = text.length < 200 ? [text.split('|')] : PATTERNS.flatMap((short) => [[short, text], [text, short]])
      for (const [pattern = '', value = '', replacement = 'x$0'] of pairs) {
        for (const work of [stripPrefix, stripSuffix])
          for (const longest of [false, true]) each(() => work(value, pattern, longest))
        each(() => replaceFirst(value, pattern, replacement))
        each(() => replaceAll(value, pattern, replacement))
      }
    },
    words: () => ['a', 'b', '*', '?', '\\', '\\*', '|', '\n', '/', '🚀', '$0', '${1}', '$$', 'aaaaaaab'],
    texts: () => ['a*b|aXbYb|x', '*|abc|[$0]', '?b|ab\nab|'],
    longest: 50_000,
  },
  ignore: {
    run: (text) => {
      const matcher = createPatternMatcher(parseIgnoreFile(text))
      for (const path of PATHS) {
        matcher.matches(path)
        matcher.mayMatchBelow(path)
      }
    },
    words: () => GLOB_WORDS,
    texts: () => ['*\n!src', '**/*.md\n!README.md', 'a/[^b]?\n#c', '!**/x/**\n..', '\uFEFF# x\n/a/\n'],
    longest: 20_000,
  },
  match: {
    run: (text) => {
      for (const path of PATHS) each(() => goMatch(text, path))
      for (const pattern of ['*a*b', '[a-c]*?', '*/*/x']) each(() => goMatch(pattern, text))
    },
    words: () => GLOB_WORDS.filter((word) => word !== '\n'),
    texts: () => ['*.c', 'a[^b-d]?', '\\*x', '[]a]', 'a/*/b'],
    longest: 50_000,
  },
  json: {
    run: (text) => void parseJsonForm(text),
    words: () => ['[', ']', '"', '"a"', ',', '\\', '\\u0041', '1', '{', '}', ':', ' ', 'null', "'", '\n', '"\\"', '🚀'],
    texts: () => ['["a", "b"]', '[]', '["\\u00e4\\n"]', "['a']", '[["a"]]'],
  },
  mount: {
    run: (text) => {
      readMountSettings(parseMountFields(text), (value) => expandWord(value, lookup, { escape: '\\' }))
    },
    words: () => MOUNT_WORDS,
    texts: () => ['type=cache,target=/a,sharing=locked,mode=0700', 'type=tmpfs,size=10m,dst=/x', '"type=bind","target=a,b"'],
  },
  small: {
    run: (text) => {
      each(() => parseCheckOptions(text))
      each(() => parseGoDuration(text))
      each(() => splitWords(text, '\\'))
    },
    words: () => ['skip=', 'error=', 'all', ';', ',', 'A', '1h', '.5', 'ms', '-', '=', '"', "'", '\\', ' ', 'true', 'µs'],
    texts: () => ['skip=all;error=true', '1h2m3.5s', '"a b" c\\ d'],
  },
}

const INSTRUCTIONS = [
  'FROM ', 'FROM debian AS a\n', 'FROM onbuild\n', 'RUN ', 'COPY ', 'ADD ', 'ENV ', 'LABEL ', 'ARG ', 'CMD ', 'ENTRYPOINT ',
  'SHELL ', 'USER ', 'WORKDIR ', 'VOLUME ', 'EXPOSE ', 'ONBUILD ', 'HEALTHCHECK CMD ', 'STOPSIGNAL ', 'MAINTAINER ', 'FOO ',
  '# check=', '# escape=`\n', '# syntax=', 'run ',
]
const LINE_WORDS = [
  '\n', '\n', '\n', ' ', '\t', '\\\n', '\\', '`', '"', "'", '#', '$A', '${A:-', '${', '}', '[', ']', '["a"]', ',', '=', 'a=b',
  '<<E', '<<-"E"', 'E\n', '--from=a', '--from=0', '--mount=type=', 'cache,target=/', '--chown=', '--platform=$TARGETPLATFORM',
  '--', '/', '.', '*', '\r\n', '\0', 'ä', '🚀', '\uFEFF', '1-65535', '80/udp', 'https://x/y', 'git@x:y.git', '999999999999', 'constructor',
  '__proto__=1', 'toString',
]
const EXPANSION_WORDS = [
  '$', '${', '}', '$A', '${B', ':-', ':+', ':?', '-', '+', '?', '#', '##', '%', '%%', '/', '//', '*', '\\', '`', '"', "'", 'a', ' ',
  '${A:-', '${L//', '${U#', '\n', 'ä', '🚀', '$1', '$@', '${a}', '\0', '$constructor', '${__proto__}',
]
const GLOB_WORDS = [
  '*', '**', '**/', '?', '[', ']', '[^', '-', '\\', '/', 'a', 'b', '.', '..', './', '!', '#', '\n', ' ', 'ä', '🚀', '[a-z]', '[]', '{', '}',
  '(', ')', '|', '+', '^', '$', 'aaaa',
]
const MOUNT_WORDS = [
  'type=', 'bind', 'cache', 'tmpfs', 'secret', 'ssh', ',', '=', '"', '""', 'target=', '/a', 'source=', 'from=', 'ro', 'rw', 'required',
  'id=', 'mode=', '0777', 'uid=', '1', 'size=', '10m', 'sharing=', 'locked', 'env=', '$A', '${', ' ', 'TYPE=', 'constructor=1', '🚀', '\n',
]

function goldenTexts() {
  return readdirSync(GOLDEN).flatMap((name) => {
    try {
      return [readFileSync(new URL(`${name}/Dockerfile`, GOLDEN), 'utf8')]
    } catch {
      return []
    }
  })
}

/** One call of several: an OssbError of one must not keep the others from being made. */
function each(work) {
  try {
    work()
  } catch (error) {
    if (!(error instanceof OssbError)) throw error
  }
}

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
function randomOf(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let value = Math.imul(state ^ (state >>> 15), state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }
}

function toolsOf(seed) {
  const random = randomOf(seed)
  const below = (limit) => Math.floor(random() * limit)
  const pick = (items) => items[below(items.length)]
  const many = (count, make) => Array.from({ length: count }, make).join('')
  return { below, pick, many }
}

/** Any bytes at all, as text. */
const randomBytes = ({ below }) => Buffer.from(Array.from({ length: below(200) }, () => below(256))).toString('utf8')

const randomWords = ({ below, pick, many }, { words, frame = ['', ''] }) =>
  frame[0] + many(1 + below(40), () => pick(words)) + frame[1]

/** A text that is good, or nearly, with a few changes. */
function mutation({ below, pick, many }, { texts, words }) {
  let text = pick(texts)
  for (let changes = 1 + below(5); changes > 0; changes -= 1) {
    const at = below(text.length + 1)
    const to = Math.min(text.length, at + below(20))
    const changed = [
      () => text.slice(0, at) + text.slice(to),
      () => text.slice(0, at) + pick(words) + text.slice(at),
      () => text.slice(0, at) + many(1 + below(5), () => text.slice(at, to)) + text.slice(to),
      () => text.slice(0, at) + pick(texts).slice(below(50)) + text.slice(at),
      () => text.slice(0, at) + String.fromCharCode(below(0x300)) + text.slice(to),
      () => text.slice(at) + text.slice(0, at),
    ]
    text = pick(changed)().slice(0, 20_000)
  }
  return text
}

const MAKERS = [randomBytes, randomWords, randomWords, mutation, mutation, mutation]

async function timed(target, text) {
  const start = process.cpuUsage()
  try {
    await target.run(text)
  } catch (error) {
    if (!(error instanceof OssbError)) throw error
  }
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

async function single(target, text) {
  const time = await timed(target, text)
  return time > LIMIT_MS ? { text, reason: `takes ${time.toFixed(0)} ms` } : undefined
}

/**
 * The same few words over and over, twice as often each time. Where the time grows faster than that, which the garbage
 * collector may do, too, longer texts decide: a square would take sixteen and sixty-four times as long.
 */
async function growth(tools, target) {
  const { below, pick, many } = tools
  const [open, close] = target.frame ?? ['', '']
  const before = open + many(below(3), () => pick(target.words))
  const unit = many(1 + below(4), () => pick(target.words))
  const after = many(below(3), () => pick(target.words)) + close
  const make = (length) => before + unit.repeat(Math.ceil(length / unit.length)) + after
  const best = async (text) => Math.min(await timed(target, text), await timed(target, text), await timed(target, text))
  let previous = 0
  for (let length = 500; length <= (target.longest ?? 100_000); length *= 2) {
    const text = make(length)
    const time = await timed(target, text)
    if (time > LIMIT_MS) return { text, reason: `takes ${time.toFixed(0)} ms for ${text.length} characters` }
    if (previous > 10 && time > previous * 3) {
      const [short, longer, longest] = [await best(text), await best(make(length * 4)), await best(make(length * 8))]
      if (longer > short * 10 && longest > short * 36)
        return {
          text,
          reason: `takes ${short.toFixed(0)} ms, ${longer.toFixed(0)} for four and ${longest.toFixed(0)} for eight times the text`,
        }
    }
    previous = time
  }
  return undefined
}

async function worker() {
  const { seed, end, only, beat } = workerData
  const targets = Object.entries(TARGETS)
    .filter(([name]) => only === undefined || name === only)
    .map(([name, target]) => [name, { ...target, words: target.words(), texts: target.texts() }])
  const counts = Object.fromEntries(targets.map(([name]) => [name, 0]))
  for (let number = 0; Date.now() < end; number += 1) {
    const tools = toolsOf(seed + number * 7919)
    const [name, target] = targets[number % targets.length]
    counts[name] += 1
    const grows = tools.below(25) === 0
    const text = grows ? '' : tools.pick(MAKERS)(tools, target)
    Atomics.store(beat, 0, number)
    const failure = await (grows ? growth(tools, target) : single(target, text)).catch((error) => ({
      text,
      reason: error instanceof Error ? error.stack : String(error),
    }))
    if (failure === undefined) continue
    parentPort.postMessage({ failed: { name, number, ...failure }, counts })
    return
  }
  parentPort.postMessage({ counts })
}

function shorten(text) {
  return text.length <= 2_000 ? JSON.stringify(text) : `${JSON.stringify(text.slice(0, 1_000))} … ${text.length} characters`
}

function main() {
  const minutes = Number(process.argv[2] ?? 1)
  const seed = Number(process.argv[3] ?? Date.now() % 1_000_000)
  const only = process.argv[4]
  if (!(minutes > 0) || !Number.isInteger(seed) || (only !== undefined && !Object.hasOwn(TARGETS, only))) {
    console.error(`usage: node scripts/fuzz.mjs [MINUTES] [SEED] [${Object.keys(TARGETS).join('|')}]`)
    process.exit(2)
  }
  console.log(`seed ${seed}, ${minutes} min`)
  const beat = new Int32Array(new SharedArrayBuffer(4))
  const end = Date.now() + minutes * 60_000
  const runner = new Worker(new URL(import.meta.url), { workerData: { seed, end, only, beat } })
  const worked = () => (process.cpuUsage().user + process.cpuUsage().system) / 1000
  let last = -1
  let since = worked()
  const watch = setInterval(() => {
    const number = Atomics.load(beat, 0)
    if (number !== last) [last, since] = [number, worked()]
    else if (worked() - since > HANG_MS) {
      console.error(`input ${number} does not end: node scripts/fuzz.mjs ${minutes} ${seed} ${only ?? ''}`)
      process.exit(1)
    }
  }, 500)
  runner.on('error', (error) => {
    console.error(error)
    process.exit(1)
  })
  runner.on('exit', (code) => {
    if (code === 0) return
    console.error(`input ${Atomics.load(beat, 0)} is never answered: node scripts/fuzz.mjs ${minutes} ${seed} ${only ?? ''}`)
    process.exit(1)
  })
  runner.on('message', ({ failed, counts }) => {
    clearInterval(watch)
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
    console.log(`${total} inputs: ${Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(', ')}`)
    if (failed !== undefined) {
      console.error(`FAILED: ${failed.name}, input ${failed.number} of seed ${seed}: ${failed.reason}\n${shorten(failed.text)}`)
      process.exitCode = 1
    } else console.log('nothing found')
  })
}

if (isMainThread) main()
else await worker()
