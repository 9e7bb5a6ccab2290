import { digestOf, jobOf, OssbError } from '../core/index.ts'
import { settleAll } from './every-failure.ts'
import type { Exporter, ExportResult } from './exporter.ts'

/**
 * Several exporters as one. Each is a step of its own in the progress; all run to their end, and all failures are
 * reported. The result is the first one's, with the outputs of all.
 */
export function many(exporters: readonly Exporter[]): Exporter {
  // A layer comes once.
  const stream = exporters.map((exporter) => exporter.stream).find((one) => one !== undefined)
  return {
    name: exporters.map(({ name }) => name).join(', '),
    async export(images, job) {
      const results: ExportResult[] = []
      await settleAll(
        'export',
        exporters.map((exporter, at) => async () => {
          results[at] = await reported(exporter, at).export(images, job)
        }),
        job,
      )
      const [first] = results
      if (first === undefined) throw new OssbError('ERR_OSSB_INTERNAL', 'Cannot export: there is no output')
      return { ...first, outputs: results.flatMap(({ outputs }) => outputs) }
    },
    async ahead(layer, job) {
      await Promise.allSettled(exporters.flatMap((exporter) => exporter.ahead?.(layer, job) ?? []))
    },
    ...(stream === undefined ? {} : { stream }),
  }
}

/** Events of an export carry a vertex, which says when it starts and how it ends. */
function reported(exporter: Exporter, at: number): Exporter {
  const vertex = digestOf(`export ${at} ${exporter.name}`)
  return {
    name: exporter.name,
    async export(images, job) {
      const own = jobOf(job, vertex)
      const name = `exporting to ${exporter.name}`
      own.emit({ type: 'started', name })
      try {
        const result = await exporter.export(images, own)
        own.emit({ type: 'completed', name })
        return result
      } catch (error) {
        own.emit({ type: 'completed', name, error: error instanceof Error ? error.message : String(error) })
        throw error
      }
    },
  }
}
