import { Readable } from 'node:stream'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Cache, CachedResult } from '../../../src/cache/index.ts'
import { type BuildEvent, type Digest, digestOf, type Job, OssbError } from '../../../src/core/index.ts'
import type { SourceTree } from '../../../src/fs/index.ts'
import { createVertex, type FileOp, type ImageOp, type Vertex } from '../../../src/graph/index.ts'
import type { ContentStore, Layer } from '../../../src/oci/index.ts'
import type { Snapshotter } from '../../../src/snapshot/index.ts'
import { createSolver, type SolverOptions } from '../../../src/solver/index.ts'
import type { SourceServices } from '../../../src/sources/index.ts'

/** Steps are FileOps that "copy" a name: the name is the step. What a context holds is a text that a test may change. */
interface World {
  readonly ran: string[]
  readonly running: { now: number; most: number }
  readonly looked: Digest[]
  readonly contexts: Map<string, string>
  readonly events: BuildEvent[]
  readonly cache: Map<Digest, CachedResult>
  readonly behaviours: Map<string, (job: Job) => Promise<void>>
  /** What a layer holds, by diff_id, and what a working root holds, by its path. */
  readonly texts: Map<string, string>
}

let world: World
beforeEach(() => {
  world = {
    ran: [],
    running: { now: 0, most: 0 },
    looked: [],
    contexts: new Map(),
    events: [],
    cache: new Map(),
    behaviours: new Map(),
    texts: new Map(),
  }
})

const CONTEXT = createVertex({ kind: 'context', name: 'context' }, [], { name: 'context' })

function image(reference: string): Vertex {
  const manifest = { mediaType: 'm', digest: digestOf(reference), size: 1 }
  const op: ImageOp = { kind: 'image', reference, manifest, platform: { os: 'linux', architecture: 'amd64' } }
  return createVertex(op, [], { name: `FROM ${reference}` })
}

function step(name: string, ...inputs: readonly Vertex[]): Vertex {
  const op: FileOp = { kind: 'file', actions: [{ type: 'mkdir', path: name, mode: 0 }] }
  return createVertex(op, inputs, { name, source: { file: 'Dockerfile', startLine: 1, endLine: 1 } })
}

const nameOf = (op: FileOp) => (op.actions[0]?.type === 'mkdir' ? op.actions[0].path : '')

function baseLayer(text: string): Layer {
  const digest = digestOf(text)
  world.texts.set(digest, text)
  return {
    diffId: digest,
    descriptor: { mediaType: 'layer', digest, size: 1 },
    open: () => Promise.resolve(Readable.from([text])),
  }
}

const cache: Cache = {
  find: ({ key }) => {
    world.looked.push(key)
    return Promise.resolve(world.cache.get(key))
  },
  save: (key, result) => {
    world.cache.set(key, result)
    return Promise.resolve()
  },
}

const store = {
  ingest: async (mediaType: string, chunks: AsyncIterable<Uint8Array>) => {
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) parts.push(chunk)
    return { mediaType, digest: digestOf(Buffer.concat(parts)), size: 1 }
  },
} as unknown as ContentStore

const textOf = (path: string) => world.texts.get(path) ?? ''

let roots = 0

const snapshotter: Snapshotter = {
  name: 'copy',
  view: (layers) =>
    Promise.resolve({
      rootfs: layers.map(({ diffId }) => textOf(diffId)).join(),
      [Symbol.asyncDispose]: async () => {},
    }),
  prepare: () => {
    roots += 1
    const rootfs = `/root/${roots}`
    return Promise.resolve({
      rootfs,
      // A deletion needs no file: its name alone makes layers differ.
      async *changes() {
        yield { type: 'delete', path: digestOf(textOf(rootfs)) } as const
      },
      commit: async (layer) => void world.texts.set(layer.diffId, textOf(rootfs)),
      [Symbol.asyncDispose]: async () => {},
    })
  },
}

function solver(options: Partial<SolverOptions> = {}) {
  const job: Job = { signal: new AbortController().signal, emit: (event) => world.events.push(event) }
  const created = createSolver({
    runners: {
      exec: { selections: () => [], run: () => Promise.reject(new Error('no exec here')) },
      file: {
        selections: (op) =>
          nameOf(op).startsWith('copy')
            ? [{ input: 1, digest: async (tree: SourceTree) => digestOf(contentOf(tree)) }]
            : [],
        run: async (op, _vertex, root, trees, own) => {
          const name = nameOf(op)
          world.ran.push(name)
          world.running.now += 1
          world.running.most = Math.max(world.running.most, world.running.now)
          try {
            await (world.behaviours.get(name)?.(own) ?? new Promise((resolve) => setTimeout(resolve, 5)))
          } finally {
            world.running.now -= 1
          }
          world.texts.set(root.rootfs, [name, ...[...trees.values()].map(contentOf)].join(' '))
        },
      },
    },
    images: { layers: (op) => Promise.resolve([baseLayer(op.reference)]) },
    snapshotter,
    cache,
    sources: {} as SourceServices,
    layers: { store },
    contexts: new Map([['context', () => Promise.resolve({ root: 'context' })]]),
    noCache: false,
    parallelism: 4,
    now: () => 'now',
    ...options,
  })
  const solveAll = (roots: readonly Vertex[], own: Job = job) => created.solve(roots, own)
  const solveOne = async (root: Vertex, own: Job = job) => {
    const [outcome] = await solveAll([root], own)
    if (outcome?.status === 'fulfilled') return outcome.value
    throw outcome?.reason
  }
  return Object.assign(solveOne, { all: solveAll })
}

function contentOf({ root }: SourceTree): string {
  return world.contexts.get(root) ?? root
}

describe('a solver', () => {
  const chain = () => {
    const base = image('debian')
    const first = step('first', base)
    const second = step('copy', first, CONTEXT)
    return step('third', second)
  }

  test('runs each step once, in order, and gives the layers of the base and of each', async () => {
    const layers = await solver()(chain())
    expect(world.ran).toEqual(['first', 'copy', 'third'])
    expect(layers).toHaveLength(4)
  })

  test('runs nothing the second time, and says of every step that it is known', async () => {
    const before = await solver()(chain())
    world.ran.length = 0
    world.events.length = 0
    const after = await solver()(chain())
    expect(world.ran).toEqual([])
    expect(after.map(({ diffId }) => diffId)).toEqual(before.map(({ diffId }) => diffId))
    const told = world.events.filter(({ type }) => type !== 'phase')
    expect(told.map(({ type, ...more }) => [type, 'name' in more ? more.name : ''])).toEqual([
      ['cached', 'first'],
      ['cached', 'copy'],
      ['cached', 'third'],
    ])
  })

  test('looks at one key only where the last step is known by its definition', async () => {
    await solver()(chain())
    world.looked.length = 0
    await solver()(chain())
    expect(world.looked).toHaveLength(1)
  })

  test('runs what follows a changed input, and nothing else', async () => {
    await solver()(chain())
    world.ran.length = 0
    world.contexts.set('context', 'changed')
    await solver()(chain())
    expect(world.ran).toEqual(['copy', 'third'])
  })

  test('runs a changed step and what follows', async () => {
    await solver()(chain())
    world.ran.length = 0
    await solver()(step('third', step('copy', step('other', image('debian')), CONTEXT)))
    expect(world.ran).toEqual(['other', 'copy', 'third'])
  })

  test('finds a step by what it reads when its definition is new', async () => {
    const copyFrom = (stage: Vertex) => step('copy out', image('debian'), stage)
    await solver()(copyFrom(step('build', image('tools:1'))))
    world.ran.length = 0
    // Another definition of the stage, and the same files in it.
    world.contexts.set('tools:2,same', 'one content')
    world.contexts.set('tools:3,same', 'one content')
    await solver()(copyFrom(step('same', image('tools:2'))))
    expect(world.ran).toEqual(['same', 'copy out'])
    world.ran.length = 0
    await solver()(copyFrom(step('same', image('tools:3'))))
    expect(world.ran).toEqual(['same'])
    world.ran.length = 0
    // And from then on by its definition.
    await solver()(copyFrom(step('same', image('tools:3'))))
    expect(world.ran).toEqual([])
  })

  test('looks nothing up with noCache, and saves what it made', async () => {
    await solver()(chain())
    world.ran.length = 0
    await solver({ noCache: true })(chain())
    expect(world.ran).toEqual(['first', 'copy', 'third'])
    world.ran.length = 0
    await solver()(chain())
    expect(world.ran).toEqual([])
  })

  test('does not take results of another clamping of times', async () => {
    await solver()(chain())
    world.ran.length = 0
    await solver({ layers: { store, clampTo: 5n } })(chain())
    expect(world.ran).toEqual(['first', 'copy', 'third'])
  })

  test('runs two branches side by side, and no more steps than it may', async () => {
    const branches = [1, 2, 3, 4].map((number) => step(`branch ${number}`, image('debian')))
    await solver({ parallelism: 2 })(step('copy all', image('debian'), ...branches))
    expect(world.running.most).toBe(2)
    expect(world.ran).toHaveLength(5)
  })

  test('runs a step that two others need once', async () => {
    const shared = step('shared', image('debian'))
    await solver()(step('copy', step('left', shared), step('right', shared)))
    expect(world.ran.filter((name) => name === 'shared')).toHaveLength(1)
  })
})

describe('a step that fails', () => {
  test('stops the others, starts nothing more, and is the error, with its lines', async () => {
    let stopped: unknown
    world.behaviours.set('bad', async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      throw new OssbError('ERR_OSSB_STEP_FAILED', 'it broke')
    })
    world.behaviours.set(
      'long',
      (job) =>
        new Promise((_resolve, reject) => {
          job.signal.addEventListener('abort', () => {
            stopped = job.signal.reason
            reject(new Error('something that came of stopping'))
          })
        }),
    )
    const root = step('copy', step('after', step('long', image('debian'))), step('bad', image('debian')))
    const failure = await solver()(root).catch((error: unknown) => error)
    expect(failure).toMatchObject({ message: 'it broke', source: { file: 'Dockerfile', startLine: 1 } })
    expect(stopped).toBe(failure)
    expect(world.ran.sort()).toEqual(['bad', 'long'])
    expect(world.running.now).toBe(0)
  })

  test('of one platform does not stop what another needs, and both failures are told', async () => {
    const shared = step('shared', image('debian'))
    world.behaviours.set('bad', () => Promise.reject(new Error('bad broke')))
    world.behaviours.set('worse', () => Promise.reject(new Error('worse broke')))
    const roots = [
      step('after bad', step('bad', shared)),
      step('good', shared),
      step('worse', step('bad too', shared)),
    ]
    const outcomes = await solver().all(roots)
    expect(
      outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.message : 'fine')),
    ).toEqual(['bad broke', 'fine', 'worse broke'])
    expect(world.ran.filter((name) => name === 'shared')).toHaveLength(1)
    expect(world.ran).not.toContain('after bad')
  })

  test('that two platforms share fails for both, once', async () => {
    const shared = step('shared', image('debian'))
    world.behaviours.set('shared', () => Promise.reject(new Error('it broke')))
    const outcomes = await solver().all([step('one', shared), step('two', shared)])
    expect(outcomes).toMatchObject([{ reason: { message: 'it broke' } }, { reason: { message: 'it broke' } }])
    expect(world.ran).toEqual(['shared'])
  })

  test('is remembered by nobody', async () => {
    world.behaviours.set('first', () => Promise.reject(new Error('once')))
    const root = step('first', image('debian'))
    await expect(solver()(root)).rejects.toThrow('once')
    world.behaviours.clear()
    await solver()(root)
    expect(world.ran).toEqual(['first', 'first'])
  })

  test('for want of space says so in words', async () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
      syscall: 'write',
    })
    world.behaviours.set('first', () => Promise.reject(full))
    await expect(solver()(step('first', image('debian')))).rejects.toMatchObject({
      code: 'ERR_OSSB_NO_SPACE',
      message: 'Cannot carry out "first": no space left on the device',
    })
  })

  test('a build that is stopped from outside ends with that reason, which is about no line', async () => {
    const abort = new AbortController()
    const reason = new OssbError('ERR_OSSB_INTERRUPTED', 'Interrupted')
    world.behaviours.set(
      'first',
      (job) =>
        new Promise((_resolve, reject) => {
          job.signal.addEventListener('abort', () => reject(new Error('killed')))
          abort.abort(reason)
        }),
    )
    const failure = await solver()(step('second', step('first', image('debian'))), {
      signal: abort.signal,
      emit: () => {},
    }).catch((error: unknown) => error)
    expect(failure).toBe(reason)
    expect(reason.source).toBeUndefined()
    expect(world.running.now).toBe(0)
  })
})
