import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createVariables } from '../../../../src/frontends/dockerfile/variables.ts'
import { planText } from './fake-images.ts'

test('copies of variables are what copies of a map are', () => {
  const change = fc.record({
    of: fc.nat(),
    copies: fc.boolean(),
    name: fc.constantFrom('a', 'b', 'c', 'B', '__proto__', '', '🚀', '1', '0'),
    value: fc.option(fc.nat(9), { nil: undefined }),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const pairs = [
        { real: createVariables<number | undefined>(), model: new Map<string, number | undefined>() },
      ]
      for (const { of, copies, name, value } of changes) {
        const pair = pairs[of % pairs.length]
        if (pair === undefined) continue
        if (copies) pairs.push({ real: pair.real.copy(), model: new Map(pair.model) })
        pair.real.set(name, value)
        pair.model.set(name, value)
      }
      for (const { real, model } of pairs) {
        expect([...real]).toEqual([...model])
        expect([...real.names()]).toEqual([...model.keys()])
        for (const name of ['a', 'B', '', 'never'])
          expect([real.has(name), real.get(name)]).toEqual([model.has(name), model.get(name)])
      }
    }),
  )
})

const FAMILY = `FROM bare:1 AS parent
ARG G=parent
ENV E=parent
LABEL of=parent
EXPOSE 1
VOLUME /parent

FROM parent AS one
ARG G=one
ENV E=one ONE=1
LABEL of=one
EXPOSE 2
VOLUME /one
CMD one
USER one
ONBUILD RUN x
RUN $E

FROM parent AS two
ARG H=two
ENV TWO=$E$ONE
RUN $E

FROM parent AS all
COPY --from=one / /one
COPY --from=two / /two
RUN $E
`

test.each([
  ['parent', ['A=1', 'E=parent'], ['ENV E=parent', 'EXPOSE [1/tcp]', 'VOLUME [/parent]']],
  ['one', ['A=1', 'E=one', 'ONE=1'], ['EXPOSE [2/tcp]', 'RUN |1 G=one /bin/sh -c $E # buildkit']],
  [
    'two',
    ['A=1', 'E=parent', 'TWO=parent'],
    ['ENV TWO=parent', 'RUN |2 G=parent H=two /bin/sh -c $E # buildkit'],
  ],
  ['all', ['A=1', 'E=parent'], ['COPY / /two # buildkit', 'RUN |1 G=parent /bin/sh -c $E # buildkit']],
])('what a stage sets is its own: %s', async (target, env, written) => {
  const { plans } = await planText(FAMILY, { target })
  const { config, history } = plans[0]?.config ?? {}
  expect(config?.Env?.filter((variable) => !variable.startsWith('PATH='))).toEqual(env)
  expect(history?.map((entry) => entry.created_by)).toEqual(expect.arrayContaining(written))
  const isOne = target === 'one'
  expect(config?.Labels).toEqual({ b: '2', of: isOne ? 'one' : 'parent' })
  expect(Object.keys(config?.ExposedPorts ?? {})).toEqual(isOne ? ['1/tcp', '2/tcp'] : ['1/tcp'])
  expect(Object.keys(config?.Volumes ?? {})).toEqual(isOne ? ['/one', '/parent'] : ['/parent'])
  expect([config?.User, config?.OnBuild]).toEqual(isOne ? ['one', ['RUN x']] : [undefined, undefined])
})

test('each child carries the triggers out, and its own children do not', async () => {
  const file = 'FROM scratch AS a\nONBUILD ENV T=1\nFROM a AS b\nFROM a AS c\nONBUILD ENV U=1\nFROM c AS d\n'
  const seen = await Promise.all(
    ['a', 'b', 'c', 'd'].map(async (target) => {
      const { plans } = await planText(file, { target })
      const { config, history = [] } = plans[0]?.config ?? {}
      return [history.length, config?.OnBuild]
    }),
  )
  expect(seen).toEqual([
    [0, ['ENV T=1']],
    [1, undefined],
    [1, ['ENV U=1']],
    [2, undefined],
  ])
})
