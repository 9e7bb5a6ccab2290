import type { Job } from '../core/index.ts'
import type { ComingBlob, Layer } from '../oci/index.ts'
import type { Exporter } from './exporter.ts'

/** Brings layers ahead of the export; what is still on its way when it is disposed of is stopped. */
export interface Forerunner extends AsyncDisposable {
  send(layer: Layer): void
  /** A layer that is still being made; absent where nothing takes it so. Ends, whatever came of it, when it reads no more. */
  readonly stream?: (layer: ComingBlob) => Promise<void>
}

export function createForerunner(exporter: Exporter, job: Job): Forerunner {
  const stop = new AbortController()
  // The export tells of all layers, also of those that are there by then.
  const own: Job = { signal: AbortSignal.any([job.signal, stop.signal]), emit: () => undefined }
  const underWay: Promise<void>[] = []
  const begun = (sent: Promise<void>): Promise<void> => {
    // What fails is brought by the export, which says why it can't be.
    const ended = sent.catch(() => undefined)
    underWay.push(ended)
    return ended
  }
  const { stream } = exporter
  return {
    send(layer) {
      const sent = exporter.ahead?.(layer, own)
      if (sent !== undefined) void begun(sent)
    },
    ...(stream === undefined ? {} : { stream: (layer) => begun(stream(layer, own)) }),
    async [Symbol.asyncDispose]() {
      stop.abort(job.signal.reason)
      await Promise.all(underWay)
    },
  }
}
