import { PassThrough } from 'node:stream'
import { openProgress, type ProgressMode } from '../../src/cli/progress/progress.ts'
import type { ProgressState } from '../../src/cli/progress/reducer.ts'
import type { BuildEvent, Digest } from '../../src/index.ts'
import { textOf } from './cli-host.ts'

/** Events with the milliseconds after the beginning at which they come. */
export type Script = readonly (readonly [at: number, event: BuildEvent])[]

export const vertex = (letter: string): Digest => `sha256:${letter.repeat(64)}`

export function log(letter: string, text: string | Uint8Array): BuildEvent {
  const chunk = typeof text === 'string' ? new TextEncoder().encode(text) : text
  return { vertex: vertex(letter), type: 'log', stream: 'stdout', chunk }
}

/** A build of two stages with a pull, a cached step, a warning and a failing RUN. */
export const FAILING_BUILD: Script = [
  [0, { vertex: vertex('a'), type: 'started', name: '[internal] load build definition from Dockerfile' }],
  [
    20,
    {
      vertex: vertex('a'),
      type: 'warning',
      rule: 'StageNameCasing',
      message: 'Stage name "Build" should be lowercase',
      source: { file: 'Dockerfile', startLine: 1, endLine: 1 },
    },
  ],
  [30, { vertex: vertex('a'), type: 'completed', name: '[internal] load build definition from Dockerfile' }],
  [40, { vertex: vertex('b'), type: 'started', name: '[build 1/3] FROM r.io/base:1' }],
  [50, progress('sha256:0123', 0)],
  [100, progress('sha256:0123', 1_000_000)],
  [6_000, progress('sha256:0123', 2_500_000)],
  [6_100, progress('sha256:0123', 3_000_000)],
  [6_200, { vertex: vertex('b'), type: 'completed', name: '[build 1/3] FROM r.io/base:1' }],
  [6_210, { vertex: vertex('c'), type: 'cached', name: '[build 2/3] COPY . /src' }],
  [6_220, { vertex: vertex('d'), type: 'started', name: '[build 3/3] RUN make' }],
  [6_230, { vertex: vertex('e'), type: 'started', name: '[stage-1 2/2] RUN date' }],
  [6_300, log('d', 'cc -c a.c\ncc -c b')],
  [6_350, log('e', 'Mon Jan  1\n')],
  [6_400, log('d', '.c\n\u001b[31mb.c:1: \u001b[1merror\u001b[0m\u001b[2K\r\n')],
  [6_500, { vertex: vertex('e'), type: 'completed', name: '[stage-1 2/2] RUN date' }],
  [6_600, log('d', 'make: *** [b.o] Error 2')],
  [
    6_700,
    {
      vertex: vertex('d'),
      type: 'completed',
      name: '[build 3/3] RUN make',
      error: 'process "/bin/sh -c make" did not complete successfully: exit code: 2',
    },
  ],
]

function progress(what: string, current: number): BuildEvent {
  return { vertex: vertex('b'), type: 'progress', what, current, total: 3_000_000, unit: 'bytes' }
}

export interface Shown {
  readonly text: string
  readonly state: ProgressState
}

/** What a renderer writes for a script. */
export async function play(mode: ProgressMode, script: Script, outcome: 'done' | 'failed'): Promise<Shown> {
  const begin = Date.UTC(2024, 0, 1)
  let now = begin
  const stream = new PassThrough()
  const progress = await openProgress({
    mode,
    stream: stream,
    now: () => now,
    environment: { NO_COLOR: '1' },
  })
  for (const [at, event] of script) {
    now = begin + at
    progress.emit(event)
  }
  const state = progress.end(outcome)
  return { text: textOf(stream), state }
}
