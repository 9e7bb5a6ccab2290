import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { COMMANDS } from '../../../src/cli/commands.ts'
import { withFlagTables } from '../../../src/cli/option-docs.ts'

test('README.md has the flags that the option table has', async () => {
  const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8')
  expect(readme, 'run "npm run docs"').toBe(withFlagTables(readme, COMMANDS))
})

test('withFlagTables() refuses a text without markers', () => {
  expect(() => withFlagTables('# ossb', COMMANDS)).toThrow('Cannot write the flag tables')
})
