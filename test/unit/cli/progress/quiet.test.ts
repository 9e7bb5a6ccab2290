import { expect, test } from 'vitest'
import { FAILING_BUILD, play } from '../../../support/progress-script.ts'

test('quiet progress shows nothing, and knows how it went', async () => {
  const { text, state } = await play('quiet', FAILING_BUILD, 'failed')
  expect(text).toBe('')
  expect(state.steps.map(({ name, status }) => `${name}: ${status}`)).toMatchInlineSnapshot(`
    [
      "[internal] load build definition from Dockerfile: done",
      "[build 1/3] FROM r.io/base:1: done",
      "[build 2/3] COPY . /src: cached",
      "[build 3/3] RUN make: failed",
      "[stage-1 2/2] RUN date: done",
    ]
  `)
})
