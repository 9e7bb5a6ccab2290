import type { Job } from '../core/index.ts'
import type { Plan } from '../graph/index.ts'
import { createLayer, type LayerWriterOptions } from '../layer/index.ts'
import type { Layer } from '../oci/index.ts'
import { type SnapshotContext, type Snapshotter, unpackLayer } from '../snapshot/index.ts'

interface SquashOptions extends SnapshotContext {
  readonly snapshotter: Snapshotter
  readonly layers: LayerWriterOptions
}

/** The layers of the base image, and one more for all that was changed above them, as new as the last change. */
export async function squashLayers(
  layers: readonly Layer[],
  options: SquashOptions,
  job: Job,
): Promise<readonly Layer[]> {
  const added = layers.filter(({ created }) => created !== undefined)
  const last = added.at(-1)
  if (last?.created === undefined || added.length === 1) return layers
  const below = layers.slice(0, layers.length - added.length)
  await using root = await options.snapshotter.prepare(below, job)
  for (const layer of added) await unpackLayer(layer, root.rootfs, options, job)
  const squashed = await createLayer(root.changes(job), root.rootfs, last.created, options.layers, job)
  return [...below, squashed]
}

/** The plan with a history that tells of one layer: made by the last of the instructions that made one. */
export function squashHistory(plan: Plan): Plan {
  const { history = [] } = plan.config
  const base = history.slice(0, plan.baseHistory)
  const own = history.slice(plan.baseHistory)
  const last = own.findLastIndex((entry) => entry.empty_layer !== true)
  const kept = own.filter((entry, at) => at === last || entry.empty_layer === true)
  return { ...plan, config: { ...plan.config, history: [...base, ...kept] } }
}
