import { expect, test } from 'vitest'
import { FAILING_BUILD, log, play, vertex } from '../../../support/progress-script.ts'

test('plain progress keeps the lines of a step together and says how each ended', async () => {
  const { text } = await play('plain', FAILING_BUILD, 'failed')
  expect(text).toMatchInlineSnapshot(`
    "#1 [internal] load build definition from Dockerfile
    #1 WARN: StageNameCasing: Stage name "Build" should be lowercase (line 1)
    #1 DONE 0.0s

    #2 [build 1/3] FROM r.io/base:1
    #2 sha256:0123 2.50MB / 3.00MB 6.0s
    #2 sha256:0123 3.00MB 6.0s done
    #2 DONE 6.2s

    #3 [build 2/3] COPY . /src
    #3 CACHED

    #4 [build 3/3] RUN make
    #4 0.080 cc -c a.c
    #4 0.180 cc -c b.c
    #4 0.180 b.c:1: error
    #4 ...

    #5 [stage-1 2/2] RUN date
    #5 0.120 Mon Jan  1
    #5 DONE 0.3s

    #4 [build 3/3] RUN make
    #4 0.480 make: *** [b.o] Error 2
    #4 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2
    "
  `)
})

test('plain progress lets a waiting step speak when another holds the floor too long', async () => {
  const { text } = await play(
    'plain',
    [
      [0, { vertex: vertex('a'), type: 'started', name: 'one' }],
      [0, { vertex: vertex('b'), type: 'started', name: 'two' }],
      [10, log('b', 'early\n')],
      [20, log('a', 'first\n')],
      [6_000, log('a', 'late\n')],
      [6_100, log('b', 'more\n')],
      [12_345, log('a', 'very late\n')],
      [123_456, { vertex: vertex('a'), type: 'completed', name: 'one' }],
    ],
    'done',
  )
  expect(text).toMatchInlineSnapshot(`
    "#1 one
    #1 0.020 first
    #1 6.000 late
    #1 ...

    #2 two
    #2 0.010 early
    #2 6.100 more
    #2 ...

    #1 one
    #1 12.35 very late
    #1 DONE 123.5s

    #2 two
    #2 DONE 123.5s
    "
  `)
})

test('plain progress shows what has no step, and gives up what was not ended', async () => {
  const { text } = await play(
    'plain',
    [
      [0, { type: 'progress', what: 'sha256:abc', current: 5, total: 5, unit: 'bytes' }],
      [0, { type: 'warning', rule: 'Rule', message: 'no place' }],
      [10, { type: 'started', name: 'exporting to image' }],
      [20, { type: 'progress', what: 'pushing layer', current: 7, unit: 'bytes' }],
      [30, { type: 'completed', name: 'exporting to image' }],
      [40, { vertex: vertex('a'), type: 'started', name: 'RUN sleep\ninf\u001b[2Jinity' }],
    ],
    'failed',
  )
  expect(text).toMatchInlineSnapshot(`
    "#1 sha256:abc
    #1 sha256:abc 5B 0.0s done
    #1 DONE 0.0s
    WARN: Rule: no place

    #2 exporting to image
    #2 pushing layer 7B 0.0s
    #2 DONE 0.0s

    #3 RUN sleep infinity
    #3 CANCELED
    "
  `)
})
