import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCodec } from '../../src/codec/index.ts'
import type { BuildEvent, Job } from '../../src/core/index.ts'
import { isTarArchive } from '../../src/layer/index.ts'
import { createTransport } from '../../src/registry/index.ts'
import type { SourceServices } from '../../src/sources/index.ts'
import { mustRun } from './command.ts'

export interface TestSources extends AsyncDisposable {
  readonly services: SourceServices
  readonly job: Job
  readonly events: BuildEvent[]
  /** The services of another build with the same cache. */
  again(environment?: Readonly<Record<string, string>>): SourceServices
}

/** What sources work with, in a directory of their own; archives are unpacked by tar itself. */
export function testSources(environment: Readonly<Record<string, string>> = {}): TestSources {
  const root = mkdtempSync(join(tmpdir(), 'ossb-sources-'))
  const codec = createCodec({ workers: 0 })
  const events: BuildEvent[] = []
  const transports: AsyncDisposable[] = []
  let count = 0
  const again = (more: Readonly<Record<string, string>> = {}): SourceServices => {
    const own: Readonly<Record<string, string>> = {
      PATH: process.env['PATH'] ?? '',
      HOME: root,
      ...environment,
      ...more,
    }
    const http = createTransport({ insecureRegistries: [], environment: own, stallMs: 5000 })
    transports.push(http)
    return {
      http,
      ask: () => Promise.reject(new Error('no cloud is asked here')),
      environment: own,
      // A test gives secrets as variables.
      secret: (id) => own[id],
      downloads: join(root, 'downloads'),
      commits: new Map(),
      directory: () => {
        count += 1
        const path = join(root, String(count))
        mkdirSync(path)
        return path
      },
      archives: {
        isArchive: (path) => isTarArchive(path, codec),
        unpack: async (path, directory) => void (await mustRun('tar', ['-xf', path, '-C', directory])),
      },
    }
  }
  return {
    services: again(),
    again,
    events,
    job: { signal: new AbortController().signal, emit: (event) => events.push(event) },
    [Symbol.asyncDispose]: async () => {
      for (const transport of transports) await transport[Symbol.asyncDispose]()
      await codec[Symbol.asyncDispose]()
      rmSync(root, { recursive: true })
    },
  }
}
