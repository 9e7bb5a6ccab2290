import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OssbError, parsePlatform } from '../../../../src/core/index.ts'
import { type DockerfileInput, type Plan, type SourceTime, topological } from '../../../../src/graph/index.ts'
import { planText } from './fake-images.ts'

/*
 * Each directory holds a Dockerfile, at will an input.json (build arguments, target, labels, platforms, contexts), and
 * what is to come of it: plan.json or error.txt. UPDATE_GOLDEN=1 writes these anew; read the difference afterwards.
 */
const GOLDEN = new URL('../../../golden/dockerfile/', import.meta.url).pathname

interface GoldenInput extends Partial<Omit<DockerfileInput, 'platforms' | 'timeOf'>> {
  /** Of sources, by name of the context or URL. */
  readonly times?: Readonly<Record<string, number>>
  readonly platforms?: readonly string[]
}

function readInput(directory: string): Partial<DockerfileInput> {
  const file = join(directory, 'input.json')
  if (!existsSync(file)) return {}
  const { platforms, times = {}, ...rest } = JSON.parse(readFileSync(file, 'utf8')) as GoldenInput
  const timeOf: SourceTime = (source) =>
    Promise.resolve(
      times[source.kind === 'context' ? source.name : source.kind === 'http' ? source.url : source.remote],
    )
  return {
    ...rest,
    timeOf,
    ...(platforms ? { platforms: platforms.map((text) => parsePlatform(text)) } : {}),
  }
}

function describePlan({ root, config, baseHistory, platform, sourceDateEpoch }: Plan) {
  const vertices = topological(root)
  return {
    platform,
    steps: vertices.map(({ name, op, inputs, source, unkeyed }) => ({
      name,
      lines: source && [source.startLine, source.endLine],
      op: 'manifest' in op ? { ...op, manifest: undefined } : op,
      inputs: inputs.map((input) => vertices.findIndex((vertex) => vertex.digest === input.digest)),
      unkeyed,
    })),
    config,
    baseHistory,
    sourceDateEpoch,
  }
}

function describeError(error: unknown): string {
  if (!(error instanceof OssbError)) throw error
  const { source } = error
  const place = source ? `${source.file}:${source.startLine}-${source.endLine}` : 'no place'
  return `${error.code}\n${error.message}\n${place}\n`
}

/** The name of the file that holds the outcome, and its text. */
async function outcome(directory: string): Promise<readonly [string, string]> {
  try {
    const text = readFileSync(join(directory, 'Dockerfile'), 'utf8')
    const { plans, warnings, asked } = await planText(text, readInput(directory))
    const document = { plans: plans.map(describePlan), warnings, resolved: asked }
    return ['plan.json', `${JSON.stringify(document, null, 2)}\n`]
  } catch (error) {
    return ['error.txt', describeError(error)]
  }
}

function update(directory: string, [file, text]: readonly [string, string]): void {
  for (const old of ['plan.json', 'error.txt']) rmSync(join(directory, old), { force: true })
  writeFileSync(join(directory, file), text)
}

describe('the Dockerfile frontend plans', () => {
  const cases = readdirSync(GOLDEN).sort()

  test.each(cases)('%s as recorded', async (name) => {
    const directory = join(GOLDEN, name)
    const result = await outcome(directory)
    if (process.env['UPDATE_GOLDEN'] === '1') update(directory, result)
    const [file, text] = result
    expect(text).toBe(
      existsSync(join(directory, file)) ? readFileSync(join(directory, file), 'utf8') : `no ${file}`,
    )
  })

  test('at least forty cases', () => {
    expect(cases.length).toBeGreaterThanOrEqual(40)
  })
})
