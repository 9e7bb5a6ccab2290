import { describe, expect, test } from 'vitest'
import { type ProgressState, reduce } from '../../../../src/cli/progress/reducer.ts'
import { textWidth } from '../../../../src/cli/progress/text.ts'
import { ttyLines } from '../../../../src/cli/progress/tty.ts'
import { FAILING_BUILD, log, play, vertex } from '../../../support/progress-script.ts'

const BEGIN = Date.UTC(2024, 0, 1)

/** The state in the middle of the script, before the end closes what is open. */
async function stateAfter(events: number): Promise<ProgressState> {
  const { state } = await play('quiet', FAILING_BUILD.slice(0, events), 'failed')
  return {
    ...state,
    steps: state.steps.map((step) => (step.status === 'canceled' ? { ...step, status: 'running' } : step)),
  }
}

function draw(state: ProgressState, view: object = {}): string {
  const { outcome: _outcome, finishedAt: _finishedAt, ...open } = state
  const steps = open.steps.map((step) => {
    const { endedAt: _endedAt, ...running } = step
    return step.status === 'running' ? running : step
  })
  return ttyLines({ ...open, steps }, { columns: 60, color: false, now: BEGIN + 6_450, ...view }).join('\n')
}

describe('the live view', () => {
  test('shows bytes of a pull under way', async () => {
    expect(draw(await stateAfter(6))).toMatchInlineSnapshot(`
      "[+] Building 6.5s (1/2)
       => [internal] load build definition from Dockerfile   0.0s
       => [build 1/3] FROM r.io/base:1                       6.4s
       => => sha256:0123                     1.00MB / 3.00MB 0.1s"
    `)
  })

  test('shows the last lines of running steps', async () => {
    expect(draw(await stateAfter(15))).toMatchInlineSnapshot(`
      "[+] Building 6.5s (3/5)
       => [internal] load build definition from Dockerfile   0.0s
       => [build 1/3] FROM r.io/base:1                       6.2s
       => CACHED [build 2/3] COPY . /src                     0.0s
       => [build 3/3] RUN make                               0.2s
       => => # cc -c a.c
       => => # cc -c b.c
       => => # b.c:1: error
       => [stage-1 2/2] RUN date                             0.2s
       => => # Mon Jan  1"
    `)
  })

  test('drops what is over when the room is short, and never a running step', async () => {
    expect(draw(await stateAfter(15), { rows: 8 })).toMatchInlineSnapshot(`
      "[+] Building 6.5s (3/5)
       => [build 3/3] RUN make                               0.2s
       => => # cc -c a.c
       => => # cc -c b.c
       => => # b.c:1: error
       => [stage-1 2/2] RUN date                             0.2s
       => => # Mon Jan  1"
    `)
  })

  test('keeps every line inside the window, however wide its characters are', async () => {
    const { state } = await play(
      'quiet',
      [
        [0, { vertex: vertex('a'), type: 'started', name: `RUN echo ${'漢字'.repeat(40)}` }],
        [1, log('a', `${'é'.normalize('NFD').repeat(200)}\n\ttab\u0007\u001b[10A\u001b]0;title\u0007end\n`)],
      ],
      'failed',
    )
    const lines = ttyLines(state, { columns: 40, color: false, now: BEGIN })
    for (const line of lines) expect(textWidth(line)).toBeLessThan(40)
    expect(state.steps[0]?.log[1]?.text).toBe('        tabend')
  })

  test('stays at the end, whole', async () => {
    const { text } = await play('tty', FAILING_BUILD, 'failed')
    expect(text.replaceAll('\u001b', '␛')).toMatchInlineSnapshot(`
      "[+] Building 6.7s (5/5) ERROR
       => [internal] load build definition from Dockerfile                       0.0s
       => [build 1/3] FROM r.io/base:1                                           6.2s
       => CACHED [build 2/3] COPY . /src                                         0.0s
       => ERROR [build 3/3] RUN make                                             0.5s
       => [stage-1 2/2] RUN date                                                 0.3s
      "
    `)
  })

  test('colours a step by its end', () => {
    const event = { time: BEGIN, type: 'cached', name: 'COPY', vertex: vertex('a') } as const
    const state = reduce({ startedAt: BEGIN, steps: [], warnings: [] }, event)
    expect(ttyLines(state, { columns: 30, color: true, now: BEGIN })[1]).toBe(
      '\u001b[34m => CACHED COPY          0.0s\u001b[0m',
    )
  })
})
