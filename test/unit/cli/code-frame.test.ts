import { expect, test } from 'vitest'
import { codeFrame } from '../../../src/cli/code-frame.ts'

const TEXT = 'FROM a\n\nRUN b\n\tRUN c\nRUN d\nRUN e\n'

const frame = (startLine: number, endLine: number) =>
  codeFrame({ file: 'Dockerfile', startLine, endLine }, TEXT).join('\n')

test('codeFrame() marks a line and shows two on each side', () => {
  expect(frame(3, 3)).toMatchInlineSnapshot(`
    "Dockerfile:3
    --------------------
       1 |     FROM a
       2 |
       3 | >>> RUN b
       4 |             RUN c
       5 |     RUN d
    --------------------"
  `)
})

test('codeFrame() shows what there is at the ends of the file', () => {
  expect(frame(1, 1)).toMatchInlineSnapshot(`
    "Dockerfile:1
    --------------------
       1 | >>> FROM a
       2 |
       3 |     RUN b
    --------------------"
  `)
  expect(frame(6, 6)).toMatchInlineSnapshot(`
    "Dockerfile:6
    --------------------
       4 |             RUN c
       5 |     RUN d
       6 | >>> RUN e
    --------------------"
  `)
})

test('codeFrame() marks several lines and shows one on each side', () => {
  expect(frame(3, 4)).toMatchInlineSnapshot(`
    "Dockerfile:3
    --------------------
       2 |
       3 | >>> RUN b
       4 | >>>         RUN c
       5 |     RUN d
    --------------------"
  `)
})

test('codeFrame() gives the place alone where there is no such line', () => {
  const range = { file: 'Dockerfile', startLine: 9, endLine: 9 }
  expect(codeFrame(range, TEXT)).toEqual(['Dockerfile:9'])
  expect(codeFrame(range)).toEqual(['Dockerfile:9'])
})
