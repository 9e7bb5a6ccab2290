import { createReadStream } from 'node:fs'
import { type Change, type Job, MEDIA_TYPE, OssbError } from './core/index.ts'
import { describeTarget, type OutputTarget, writeOutput } from './exporters/index.ts'
import { type Foundation, openFoundation } from './foundation.ts'
import {
  type ArchivedInput,
  createDefinition,
  createSources,
  formatLock,
  type InputServices,
  identityOf,
  inputOptions,
  type LockEntry,
  lockEntriesOf,
  mergeLocks,
  type NeededInput,
  namedContexts,
  namesOf,
  neededByOptions,
  neededByPlan,
  openersOf,
  planDefinition,
  timesOf,
  uniqueInputs,
  writeInputArchive,
} from './inputs/index.ts'
import { writeFileAtomic } from './io/index.ts'
import { layerTar } from './layer/index.ts'
import { type NativeHelper, walkTree } from './native/index.ts'
import type { BundleOptions, GatherResult, LockOptions } from './options/index.ts'
import {
  checkOut,
  checkoutName,
  download,
  openInput,
  parseContext,
  resolveGit,
  urlName,
} from './sources/index.ts'

/** What gathering works with. */
interface Gathering extends Foundation, InputServices {}

/**
 * Gathers everything that builds of the target take from elsewhere into one archive, for a build with `inputs`. The same
 * inputs give the same bytes.
 * @throws OssbError; an archive and a lock file of before are left as they were
 */
export async function bundle(options: BundleOptions, job: Job): Promise<GatherResult> {
  const dest = targetOf(options)
  await using foundation = await openFoundation(options, job)
  const gathering = gatheringOf(foundation, options)
  const needed = await findNeeded(options, gathering, job)
  const entries = mergeLocks(await lockEntriesOf(needed, gathering, job))
  const inputs: ArchivedInput[] = []
  for (const input of uniqueInputs(needed)) {
    const gathered = await gather(input, gathering, job)
    requireLocked(gathered, entries)
    inputs.push(gathered)
  }
  await writeOutput(dest, writeInputArchive(inputs, entries, foundation.store, job), job)
  const written = [`inputs ${describeTarget(dest)}`, ...writeLock(options, entries)]
  return { inputs: summaries(entries), outputs: written }
}

/**
 * Finds out what everything that builds of the target take from elsewhere is now, and writes that down.
 * @throws OssbError; a lock file of before is left as it was
 */
export async function lock(options: LockOptions, job: Job): Promise<GatherResult> {
  await using foundation = await openFoundation(options, job)
  const gathering = gatheringOf(foundation, options)
  const needed = await findNeeded(options, gathering, job)
  const entries = mergeLocks(await lockEntriesOf(needed, gathering, job))
  return { inputs: summaries(entries), outputs: writeLock(options, entries) }
}

/** Images and commits are looked up once; a file is asked for again, and may be another by then. */
function requireLocked(input: ArchivedInput, entries: readonly LockEntry[]): void {
  if (input.kind !== 'url') return
  const name = urlName(input.url)
  if (entries.some((one) => one.kind === 'url' && one.name === name && one.digest === input.content.digest))
    return
  throw new OssbError('ERR_OSSB_INTEGRITY', `Cannot gather "${name}": it changed in the meantime`, {
    hint: 'Try again.',
  })
}

function writeLock({ lockFile }: LockOptions, entries: readonly LockEntry[]): readonly string[] {
  if (lockFile === undefined) return []
  writeFileAtomic(lockFile, formatLock(entries))
  return [`lock ${lockFile}`]
}

function summaries(entries: readonly LockEntry[]): GatherResult['inputs'] {
  return entries.map((entry) => ({ kind: entry.kind, name: entry.name, identity: identityOf(entry) }))
}

function gatheringOf(foundation: Foundation, options: LockOptions): Gathering {
  return {
    ...foundation,
    resolve: foundation.images.resolve,
    sources: createSources(options, foundation),
  }
}

function targetOf({ dest, standardOutput }: BundleOptions): OutputTarget {
  if (dest !== '-') return dest
  if (standardOutput !== undefined) return standardOutput
  throw new OssbError('ERR_OSSB_USAGE', 'Cannot write inputs to "-": there is no standard output', {
    hint: 'Name a file.',
  })
}

/** What builds for all the platforms need, as their plans say. */
async function findNeeded(
  options: LockOptions,
  { sources, resolve }: Gathering,
  job: Job,
): Promise<readonly NeededInput[]> {
  const context = parseContext(options.context)
  const named = namedContexts(options)
  const where = inputOptions(options, context)
  const input = await openInput(where, sources, job)
  const { dockerfile } = input
  const timeOf = timesOf(openersOf(input, named, sources), sources)
  const needed = [...neededByOptions(where)]
  const definition = createDefinition(
    { ...options, labels: {} },
    {
      dockerfile,
      namedContexts: namesOf(named),
      ...(context.type === 'directory' ? { directory: context.path } : {}),
      timeOf,
    },
  )
  for (const plan of await planDefinition(definition, resolve, job)) needed.push(...neededByPlan(plan, named))
  return needed
}

/** Brings an input to the store. */
async function gather(input: NeededInput, gathering: Gathering, job: Job): Promise<ArchivedInput> {
  const { images, resolve, sources, store } = gathering
  switch (input.kind) {
    case 'image': {
      const { reference, platform } = input
      const { manifest } = await resolve(reference, platform, job)
      const { root, content } = await images.pull({ kind: 'image', reference, platform, manifest }, job)
      return { kind: 'image', reference, root, content }
    }
    case 'url': {
      const file = await download({ url: input.url }, sources, job)
      const content = await store.ingest('application/octet-stream', createReadStream(file.path), job)
      const { modified, headers, from } = file
      return {
        kind: 'url',
        url: input.url,
        content,
        modified,
        headers,
        ...(from === undefined ? {} : { from }),
      }
    }
    case 'git':
      return await gatherCheckout(input, gathering, job)
    default:
      return input satisfies never
  }
}

/** All files of a commit, whatever directory of it is wanted, as of 1970: a checkout has no times of its own. */
async function gatherCheckout(
  { git }: Extract<NeededInput, { kind: 'git' }>,
  { store, codec, helper, sources }: Gathering,
  job: Job,
): Promise<ArchivedInput> {
  const { subdir: _subdir, mtime: _mtime, ...source } = git
  const { commit, objects } = await resolveGit(source, sources, job)
  const { root, time: committed } = await checkOut(source, sources, job)
  const tar = layerTar(ownedByRoot(helper, root, job), root, { clampTo: 0n }, job)
  const content = await store.ingest(MEDIA_TYPE.ociLayerGzip, codec.compress(tar, { type: 'gzip' }), job)
  return { kind: 'git', checkout: checkoutName(source), content, commit, objects, committed }
}

async function* ownedByRoot(helper: NativeHelper, root: string, job: Job): AsyncGenerator<Change> {
  for await (const entries of walkTree(helper, root, job))
    for (const entry of entries) yield { type: 'upsert', entry: { ...entry, uid: 0, gid: 0 } }
}
