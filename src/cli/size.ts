import { usageError } from './usage-error.ts'

const UNITS = ['', 'k', 'm', 'g', 't', 'p']

/** The value of a flag that is a size, such as `64m`: a number of bytes, kilobytes and so on, in powers of 1024. */
export function parseSize(flag: string, text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,9})?) ?([kmgtp]?)(?:i?b)?$/i.exec(text)
  const bytes = Math.floor(Number(match?.[1]) * 1024 ** UNITS.indexOf((match?.[2] ?? '').toLowerCase()))
  if (match !== null && bytes > 0 && Number.isSafeInteger(bytes)) return bytes
  throw usageError(`Cannot use --${flag} ${text}: invalid size: '${text}'`, 'Write for example 128m or 1g.')
}
