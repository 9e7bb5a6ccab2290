// Writes the flag tables of README.md from the option table of the built command line ("npm run build:ts" first).
// With --check it writes nothing, and fails where the README is not up to date.
import { readFile, writeFile } from 'node:fs/promises'
import { COMMANDS } from '../dist/cli/commands.js'
import { withFlagTables } from '../dist/cli/option-docs.js'

const readme = new URL('../README.md', import.meta.url)
const before = await readFile(readme, 'utf8')
const after = withFlagTables(before, COMMANDS)
if (process.argv.includes('--check')) {
  if (before !== after) {
    console.error('README.md: the flag tables are not up to date; run "npm run docs"')
    process.exitCode = 1
  }
} else if (before !== after) {
  await writeFile(readme, after)
}
