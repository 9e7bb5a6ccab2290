import type { Plan } from '../graph/index.ts'
import type { HistoryEntry, Image, Layer } from '../oci/index.ts'

/** What an image without any layer of its own, and without a base that states a time, was created at. */
const EPOCH = '1970-01-01T00:00:00Z'

/**
 * The image that a plan and its layers make. History entries get the time of their layer; those without one the time of
 * the layer in front of them, or of the first new layer. Equal layers give an equal config: a build that found
 * everything in the cache gives the digest of the build that filled it.
 * @param epoch a time for everything new in place of the real one (SOURCE_DATE_EPOCH)
 */
export function finishImage(plan: Plan, layers: readonly Layer[], epoch: string | undefined): Image {
  const added = layers.flatMap((layer) => layer.created ?? [])
  const base = plan.config.history?.slice(0, plan.baseHistory) ?? []
  const start =
    epoch ??
    added[0] ??
    plan.config.created ??
    base.findLast((entry) => entry.created !== undefined)?.created ??
    EPOCH
  const history = [
    ...base,
    ...dated(plan.config.history?.slice(plan.baseHistory) ?? [], epoch === undefined ? added : [], start),
  ]
  const created = history.length > base.length ? history.at(-1)?.created : plan.config.created
  return {
    platform: plan.platform,
    layers,
    config: {
      ...plan.config,
      ...(created === undefined ? {} : { created }),
      ...(history.length === 0 ? {} : { history }),
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    },
  }
}

/** BuildKit's mark of a layer whose times were made no later than `epoch`, in seconds; those of a base are as they were. */
export function markRewritten(layers: readonly Layer[], epoch: number): readonly Layer[] {
  return layers.map((layer) => {
    if (layer.created === undefined) return layer
    const { descriptor } = layer
    const annotations = { ...descriptor.annotations, 'buildkit/rewritten-timestamp': String(epoch) }
    return { ...layer, descriptor: { ...descriptor, annotations } }
  })
}

function dated(
  entries: readonly HistoryEntry[],
  times: readonly string[],
  start: string,
): readonly HistoryEntry[] {
  let now = start
  let next = 0
  return entries.map((entry) => {
    if (entry.empty_layer !== true) {
      now = times[next] ?? now
      next += 1
    }
    return { ...entry, created: now }
  })
}
