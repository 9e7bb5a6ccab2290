import { expect, test } from 'vitest'
import { FAILING_BUILD, play } from '../../../support/progress-script.ts'

test('JSON progress is one event on each line', async () => {
  const { text } = await play('json', FAILING_BUILD.slice(-6), 'failed')
  const shortened = text.replace(/sha256:(.)\1{63}/g, 'sha256:$1…')
  for (const line of text.trimEnd().split('\n')) expect(() => JSON.parse(line)).not.toThrow()
  expect(shortened).toMatchInlineSnapshot(`
    "{"time":"2024-01-01T00:00:06.300Z","type":"lines","step":1,"stream":"stdout","lines":["cc -c a.c"],"vertex":"sha256:d…"}
    {"time":"2024-01-01T00:00:06.350Z","type":"lines","step":2,"stream":"stdout","lines":["Mon Jan  1"],"vertex":"sha256:e…"}
    {"time":"2024-01-01T00:00:06.400Z","type":"lines","step":1,"stream":"stdout","lines":["cc -c b.c","b.c:1: error"],"vertex":"sha256:d…"}
    {"time":"2024-01-01T00:00:06.500Z","type":"completed","step":2,"vertex":"sha256:e…","name":"[stage-1 2/2] RUN date"}
    {"time":"2024-01-01T00:00:06.700Z","type":"lines","step":1,"stream":"stdout","lines":["make: *** [b.o] Error 2"],"vertex":"sha256:d…"}
    {"time":"2024-01-01T00:00:06.700Z","type":"completed","step":1,"vertex":"sha256:d…","name":"[build 3/3] RUN make","error":"process \\"/bin/sh -c make\\" did not complete successfully: exit code: 2"}
    {"time":"2024-01-01T00:00:06.700Z","type":"finished","outcome":"failed"}
    "
  `)
})
