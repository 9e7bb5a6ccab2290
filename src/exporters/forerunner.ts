import type { Job } from '../core/index.ts'
import type { Layer } from '../oci/index.ts'
import type { Exporter } from './exporter.ts'

/** Brings layers ahead of the export; what is still on its way when it is disposed of is stopped. */
export interface Forerunner extends AsyncDisposable {
  send(layer: Layer): void
}

export function createForerunner(exporter: Exporter, job: Job): Forerunner {
  const stop = new AbortController()
  // The export tells of all layers, also of those that are there by then.
  const own: Job = { signal: AbortSignal.any([job.signal, stop.signal]), emit: () => undefined }
  const underWay: Promise<void>[] = []
  return {
    send(layer) {
      const sent = exporter.ahead?.(layer, own)
      if (sent !== undefined) underWay.push(sent)
    },
    async [Symbol.asyncDispose]() {
      stop.abort(job.signal.reason)
      await Promise.allSettled(underWay)
    },
  }
}
