import type { Healthcheck } from '../../oci/index.ts'
import { dockerfileError } from './dockerfile-error.ts'
import type { Flags } from './flags.ts'
import { formatGoDuration, goList, goQuote, parseGoDuration } from './go-format.ts'
import type { Arguments } from './parser.ts'

const MILLISECOND = 1e6

/** The arguments of HEALTHCHECK: a type word, then a command in shell or exec form. Durations are nanoseconds. */
export function parseHealthcheck({ json, words }: Arguments, flags: Flags): Healthcheck {
  const [written = '', ...command] = words
  const type = written.toUpperCase()
  if (type === 'NONE') {
    if (command.length > 0) throw dockerfileError('HEALTHCHECK NONE takes no arguments')
    return { Test: ['NONE'] }
  }
  if (type !== 'CMD') throw dockerfileError(`Unknown type ${goQuote(type)} in HEALTHCHECK (try CMD)`)
  if (command.length === 0 || (command.length === 1 && command[0] === ''))
    throw dockerfileError('Missing command after HEALTHCHECK CMD')
  return {
    Test: json ? ['CMD', ...command] : ['CMD-SHELL', ...command],
    ...nonZero('Interval', duration(flags, 'interval')),
    ...nonZero('Timeout', duration(flags, 'timeout')),
    ...nonZero('StartPeriod', duration(flags, 'start-period')),
    ...nonZero('StartInterval', duration(flags, 'start-interval')),
    ...nonZero('Retries', retries(flags.text('retries'))),
  }
}

function nonZero<Name extends string>(name: Name, value: number): { [Key in Name]?: number } {
  return value === 0 ? {} : ({ [name]: value } as { [Key in Name]?: number })
}

function duration(flags: Flags, name: string): number {
  const text = flags.text(name)
  if (text === undefined || text === '') return 0
  const nanoseconds = parseGoDuration(text)
  if (nanoseconds === undefined) throw dockerfileError(`time: invalid duration ${goQuote(text)}`)
  if (nanoseconds !== 0 && nanoseconds < MILLISECOND)
    throw dockerfileError(`Interval ${goQuote(name)} cannot be less than ${formatGoDuration(MILLISECOND)}`)
  return nanoseconds
}

function retries(text: string | undefined): number {
  if (text === undefined || text === '') return 0
  if (!/^[+-]?\d{1,9}$/.test(text)) throw dockerfileError(`--retries must be a number, not ${goQuote(text)}`)
  const count = Number(text)
  if (count < 0) throw dockerfileError(`--retries cannot be negative (${count})`)
  return count
}

/** As image histories show it. */
export function formatHealthcheck(check: Healthcheck): string {
  const fields = [
    `Test:${goList(check.Test ?? [])}`,
    `Interval:${formatGoDuration(check.Interval ?? 0)}`,
    `Timeout:${formatGoDuration(check.Timeout ?? 0)}`,
    `StartPeriod:${formatGoDuration(check.StartPeriod ?? 0)}`,
    `StartInterval:${formatGoDuration(check.StartInterval ?? 0)}`,
    `Retries:${check.Retries ?? 0}`,
  ]
  return `{${fields.join(' ')}}`
}
