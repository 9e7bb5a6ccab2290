import { TransferFailure } from './retry-policy.ts'

/** A transfer slower than this over the whole of a window is dead, though it may drip for hours. */
const BYTES_PER_SECOND = 1024

/**
 * Judges the speed of what arrives. Only the time spent waiting for the other side counts: a consumer may take as
 * long as it likes.
 */
function createSpeedGuard(windowMs: number): (bytes: number, waitedMs: number) => void {
  let windowBytes = 0
  let windowWaited = 0
  return (bytes, waitedMs) => {
    windowBytes += bytes
    windowWaited += waitedMs
    if (windowWaited < windowMs) return
    if (windowBytes < (windowWaited / 1000) * BYTES_PER_SECOND)
      throw new TransferFailure(
        'OSSB_STALLED',
        `the transfer stalled: ${windowBytes} bytes in ${Math.round(windowWaited / 1000)} s`,
      )
    windowBytes = 0
    windowWaited = 0
  }
}

/** Passes chunks on as long as they come fast enough. */
export async function* guarded(
  chunks: AsyncIterable<Uint8Array>,
  windowMs: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const guard = createSpeedGuard(windowMs)
  let asked = performance.now()
  for await (const chunk of chunks) {
    guard(chunk.length, performance.now() - asked)
    yield chunk
    asked = performance.now()
  }
}

/**
 * Passes the chunks of an upload on, and calls `onStall` when the other side takes none for `windowMs`. The end of
 * the body ends the watch: how long the answer may take is another limit.
 */
export async function* watched(
  chunks: AsyncIterable<Uint8Array>,
  windowMs: number,
  onStall: (failure: TransferFailure) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const failure = () =>
    onStall(
      new TransferFailure(
        'OSSB_STALLED',
        `the upload stalled: nothing was taken for ${Math.round(windowMs / 1000)} s`,
      ),
    )
  const timer = setTimeout(failure, windowMs)
  try {
    for await (const chunk of chunks) {
      timer.refresh()
      yield chunk
    }
  } finally {
    clearTimeout(timer)
  }
}
