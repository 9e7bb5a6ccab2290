import { formatBytes } from '../../index.ts'
import { isComplete, type ProgressState, type Transfer, type Warning } from './reducer.ts'

/** Seconds since a step began, with fewer decimals as they grow: 0.123, 12.34, 123.4. */
export function logTime(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000
  return seconds.toFixed(seconds < 10 ? 3 : seconds < 100 ? 2 : 1)
}

export function duration(milliseconds: number): string {
  return `${(Math.max(0, milliseconds) / 1000).toFixed(1)}s`
}

/** `1.20MB / 3.00MB 0.5s done`: how far a transfer is. */
export function transferStatus(transfer: Transfer): string {
  return `${amount(transfer)} ${duration(transfer.updatedAt - transfer.startedAt)}${isComplete(transfer) ? ' done' : ''}`
}

function amount({ current, total, unit }: Transfer): string {
  const count = (value: number) => (unit === 'bytes' ? formatBytes(value) : `${value}`)
  const text =
    total === undefined || current >= total ? count(current) : `${count(current)} / ${count(total)}`
  return unit === 'bytes' ? text : `${text} files`
}

/** `Rule: message (line N)`. */
export function warningText({ rule, message, source }: Warning): string {
  return `${rule}: ${message}${source === undefined ? '' : ` (line ${source.startLine})`}`
}

/** The warnings of a build, as they are shown once more at its end. */
export function warningLines({ warnings }: ProgressState): readonly string[] {
  if (warnings.length === 0) return []
  return [
    '',
    ` ${warnings.length === 1 ? '1 warning' : `${warnings.length} warnings`} found (use ossb build --check to expand):`,
    ...warnings.map((warning) => ` - ${warningText(warning)}`),
  ]
}
