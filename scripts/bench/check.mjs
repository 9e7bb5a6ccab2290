// How much processor time `ossb build --check` takes for a large Dockerfile, beyond what it takes for a small one:
//   node scripts/bench/check.mjs [LINES]      needs dist/ (npm run build:ts)
// Prints the seconds for a few shapes of file, and ends with status 1 when one needs a second or more.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

const LINES = Number(process.argv[2] ?? 10_000)
const LIMIT_SECONDS = 1
const RUNS = 5
const program = new URL('../../dist/cli/ossb.js', import.meta.url).pathname

const lines = (count, line) => Array.from({ length: count }, (_, i) => line(i)).join('\n')

/** One line of each kind of instruction, over and over, in a stage. */
const KINDS = [
  (i) => `RUN echo "step ${i}" && make -j4 target-${i}`,
  (i) => `ENV NAME_${i}="value $NAME_${i - 13} of \${HOME:-/root}"`,
  (i) => `COPY --chown=1:1 src/dir-${i}/*.c /work/dir-${i}/`,
  (i) => `ARG OPTION_${i}=\${VERSION}-${i}`,
  (i) => `LABEL org.example.label-${i}="text ${i}"`,
  (i) => `WORKDIR /work/dir-${i}`,
  (i) => `RUN --mount=type=cache,target=/cache/${i} --mount=type=secret,id=s${i} ./configure`,
  (i) => `EXPOSE ${1 + (i % 60_000)}/tcp`,
  (i) => `USER user-${i}`,
  (i) => `ADD file-${i}.txt /data/`,
  (i) => `RUN a \\\n    b-${i}`,
  (i) => `# comment ${i}`,
]
const SHAPES = {
  'one stage of everything': `FROM scratch\nARG VERSION=1\n${lines(LINES - 2, (i) => KINDS[i % KINDS.length](i))}`,
  'a stage on each other line': lines(LINES / 2, (i) => `FROM ${i === 0 ? 'scratch' : `s${i - 1}`} AS s${i}\nENV A${i}=1`),
  'variables that many inherit': `FROM scratch AS a\n${lines(LINES / 2 - 1, (i) => `ENV A${i}=1`)}\n${lines(LINES / 2, () => 'FROM a')}`,
  'and that many add to': `FROM scratch AS a\n${lines(LINES / 3, (i) => `ENV A${i}=1`)}\n${lines(LINES / 3, (i) => `FROM a\nENV B${i}=$A${i}`)}`,
  'triggers of many stages': `FROM scratch AS a\n${lines(LINES / 2 - 1, (i) => `ONBUILD ENV A${i}=1`)}\n${lines(LINES / 2, () => 'FROM a')}`,
  'copies from many stages': lines(LINES / 2, (i) => `FROM scratch AS s${i}\nCOPY ${i === 0 ? '' : `--from=s${i - 1} `}a /b`),
  'mistakes on every line': `FROM scratch\n${lines(LINES - 1, (i) => `env API_KEY${i} $UNKNOWN_${i}`)}`,
  'many names, all misspelt': `FROM scratch\n${lines(LINES - 1, (i) => (i % 2 ? `ENV NAME${i}=1` : `USER $NAMEE${i}`))}`,
  'global arguments': `${lines(LINES - 1, (i) => `ARG A${i}=\${A${i - 1}:-x}`)}\nFROM scratch`,
  'one long command': `FROM scratch\nRUN a \\\n${lines(LINES - 2, (i) => `  word-${i} \\`)}\n  end`,
  'one long heredoc': `FROM scratch\nRUN <<EOF\n${lines(LINES - 3, (i) => `echo $VARIABLE_${i}`)}\nEOF`,
}

const directory = mkdtempSync(join(tmpdir(), 'ossb-bench-'))
const file = join(directory, 'Dockerfile')

/** Processor seconds, user and system, of the fastest of some runs. */
function measure(text) {
  writeFileSync(file, `${text}\n`)
  const times = Array.from({ length: RUNS }, () => {
    const { status, stderr } = spawnSync(
      '/bin/sh',
      ['-c', 'node "$0" build --check "$1" >/dev/null; status=$?; times >&2; exit $status', program, directory],
      { encoding: 'utf8' },
    )
    if (status !== 0 && status !== 1) throw new Error(`ossb ended with status ${status}: ${stderr}`)
    return childSeconds(stderr)
  })
  return Math.min(...times)
}

/** The last line of the shell's `times`: user and system time of its children. */
function childSeconds(text) {
  const last = text.trimEnd().split('\n').at(-1) ?? ''
  return [...last.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + Number(m) * 60 + Number(s), 0)
}

let slow = 0
try {
  const start = measure('FROM scratch')
  console.log(`start-up                      ${start.toFixed(2)} s`)
  for (const [shape, text] of Object.entries(SHAPES)) {
    const seconds = measure(text) - start
    console.log(`${shape.padEnd(28)}  ${seconds.toFixed(2)} s above start-up`)
    if (seconds >= LIMIT_SECONDS) slow += 1
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}
process.exitCode = slow === 0 ? 0 : 1
