import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { mustRun } from '../../support/command.ts'

const ROOT = new URL('../../../', import.meta.url)

test('two builds of the WASM module, in two directories, are bit-identical, and equal to the one in use', async () => {
  const output = await mustRun(new URL('scripts/check-wasm-reproducible.sh', ROOT).pathname, [])
  const sums = output.split('\n').flatMap((line) => /^[0-9a-f]{64}/.exec(line) ?? [])
  const inUse = createHash('sha256').update(await readFile(new URL('wasm/build/ossb.wasm', ROOT)))
  const sum = inUse.digest('hex')
  expect(sums).toEqual([sum, sum])
})
