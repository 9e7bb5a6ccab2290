import type { ProgressRenderer } from './renderer.ts'

/**
 * Progress for programs: each event as a line of JSON, with the time it came (ISO 8601) and the number of its step.
 * Output of a step comes as `lines`.
 */
export function createJsonRenderer(writeLine: (line: string) => void): ProgressRenderer {
  return {
    show({ event, step }) {
      const { time, type, ...members } = event
      writeLine(
        JSON.stringify({
          time: new Date(time).toISOString(),
          type,
          ...(step === undefined ? {} : { step: step.number }),
          ...members,
        }),
      )
    },
  }
}
