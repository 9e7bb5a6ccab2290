import { keepLayers, withoutLost } from './cache/index.ts'
import { type Caches, openCaches } from './caches.ts'
import {
  formatPlatform,
  formatReference,
  type Job,
  nameInRegistry,
  parseReference,
  phase,
  withSourceText,
} from './core/index.ts'
import { type Engine, openEngine } from './engine.ts'
import { createForerunner, type Exporter, many } from './exporters/index.ts'
import type { Plan } from './graph/index.ts'
import {
  createDefinition,
  createInputCheck,
  createSources,
  findLock,
  inputOptions,
  namedContexts,
  namesOf,
  lockEntriesOf,
  mergeLocks,
  neededByOptions,
  neededByPlan,
  openersOf,
  planDefinition,
  timesOf,
} from './inputs/index.ts'
import type { Image } from './oci/index.ts'
import { checkOutputs, entriesOf, exportersOf } from './outputs.ts'
import { provenanceOf } from './provenance.ts'
import type { BuildOptions, BuildResult, OutputSpec } from './options/index.ts'
import { sbomOf } from './sbom.ts'
import { layerWriterOf, type Solved, solvePlans } from './solve-plans.ts'
import { checkEntitlements } from './solver/index.ts'
import { openInput, parseContext } from './sources/index.ts'

/**
 * Builds an image and brings it to its outputs.
 * @throws OssbError; StepFailedError with the status of a RUN that failed. Outputs and cache are as they were before.
 */
export async function build(options: BuildOptions, job: Job): Promise<BuildResult> {
  const names = options.tags.map((tag) => nameInRegistry(tag, options.registry))
  const context = parseContext(options.context)
  const named = namedContexts(options)
  await using engine = await openEngine(options, job)
  if (options.skipPushCheck !== true) await checkPushes(options.outputs, names, engine, job)
  const sources = createSources(options, engine)
  const lock = findLock(options, engine.archive)
  const inputs = createInputCheck({
    resolve: engine.images.resolve,
    sources,
    isLimited: options.allowedHosts !== undefined,
    ...(lock === undefined ? {} : { lock }),
  })
  const inputSettings = inputOptions(options, context)
  await inputs.check(neededByOptions(inputSettings), job)
  const input = await openInput(inputSettings, sources, job)
  const { dockerfile } = input
  const contexts = openersOf(input, named, sources)
  const definition = createDefinition(options, {
    dockerfile,
    namedContexts: namesOf(named),
    ...(context.type === 'directory' ? { directory: context.path } : {}),
    timeOf: timesOf(contexts, sources),
  })
  try {
    const { platforms } = definition.input
    checkOutputs(options, platforms)
    const plans = await planDefinition(definition, inputs.resolve, job)
    for (const { root } of plans) checkEntitlements(root, options.allow ?? [])
    await inputs.check(
      plans.flatMap((plan) => neededByPlan(plan, named)),
      job,
    )
    const started = new Date()
    const attest = async (image: Image, at: number): Promise<Image> => {
      const plan = plans[at] as Plan
      if (options.provenance === undefined) return image
      const needed = [...neededByOptions(inputSettings), ...neededByPlan(plan, named)]
      const locked = mergeLocks(await lockEntriesOf(needed, { resolve: inputs.resolve, sources }, job))
      const parts = { plan, inputs: locked, dockerfile, started, finished: new Date() }
      return { ...image, attestations: [provenanceOf(options, parts)] }
    }
    const layers = layerWriterOf(plans, options, engine)
    const caches = openCaches(options, { ...engine, layers }, job)
    const exporter = many(exportersOf(options, names, engine))
    await using forerunner = createForerunner(exporter, job)
    const solve = async (): Promise<Solved> => {
      const solved = await solvePlans(
        plans,
        { contexts, sources, caches, layers, forerunner },
        options,
        engine,
        job,
      )
      const stated = await Promise.all(solved.images.map(attest))
      return {
        ...solved,
        images: options.sbom === true ? await withSboms(stated, names[0], engine, job) : stated,
      }
    }
    const exportAll = (images: readonly Image[]) => exporter.export(images, job)
    const { images, entries, made, exported } = writesToStream(options.outputs)
      ? await exportOnce(solve, exportAll, caches, job)
      : await withoutLost(caches.lost, async () => await exportSolved(await solve(), exportAll), job)
    await caches.count(job)
    await caches.write(entries, images, job)
    await phase('keep the layers of other stages', () => keepLayers(made, engine, job), job)
    engine.registry.warnUnused(job)
    return {
      ...exported,
      names: names.map((name) => formatReference(parseReference(name))),
      platforms: platforms.map(formatPlatform),
    }
  } catch (error) {
    // The Dockerfile may be in no file that the caller could show lines of, or in one that has changed.
    throw withSourceText(error, { file: dockerfile.name, text: dockerfile.text })
  }
}

/** One after the other: each holds its root file system for as long as it is read. */
async function withSboms(
  images: readonly Image[],
  name: string | undefined,
  { snapshotter, helper }: Engine,
  job: Job,
): Promise<readonly Image[]> {
  const stated: Image[] = []
  for (const image of images) {
    await using view = await snapshotter.view(
      image.layers.map((layer) => layer.made ?? layer),
      job,
    )
    const { rootfs } = view
    const sbom = await sbomOf({ name, image, rootfs, entries: entriesOf(helper, rootfs, job) }, job)
    stated.push({ ...image, attestations: [...(image.attestations ?? []), sbom] })
  }
  return stated
}

type Exported = Awaited<ReturnType<Exporter['export']>>
type ExportAll = (images: readonly Image[]) => Promise<Exported>

/** A push that will be refused is refused before the build, not after it. */
async function checkPushes(
  outputs: readonly OutputSpec[],
  names: readonly string[],
  { registry }: Engine,
  job: Job,
): Promise<void> {
  const pushed = outputs.flatMap((output) =>
    output.type === 'image' && output.push ? (output.names ?? names) : [],
  )
  const repositories = new Map(pushed.map((name) => [name.replace(/:[^/]*$/, ''), parseReference(name)]))
  for (const reference of repositories.values()) await registry.checkPush(reference, job)
}

function writesToStream(outputs: readonly OutputSpec[]): boolean {
  return outputs.some((output) => 'dest' in output && output.dest === '-')
}

async function exportSolved(solved: Solved, exportAll: ExportAll): Promise<Solved & { exported: Exported }> {
  return { ...solved, exported: await exportAll(solved.images) }
}

/** What is written to standard output can't be taken back: every layer is here, and sound, before. */
async function exportOnce(
  solve: () => Promise<Solved>,
  exportAll: ExportAll,
  { lost }: Caches,
  job: Job,
): Promise<Solved & { exported: Exported }> {
  const solved = await withoutLost(
    lost,
    async () => {
      const done = await solve()
      for (const layer of done.images.flatMap(({ layers }) => layers))
        for await (const _chunk of await layer.open(job)) job.signal.throwIfAborted()
      return done
    },
    job,
  )
  return await exportSolved(solved, exportAll)
}
