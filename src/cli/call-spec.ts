import { splitCsv } from './csv.ts'
import type { BuildFlags } from './build-option-table.ts'
import { usageError } from './usage-error.ts'

const METHODS = ['check', 'outline', 'targets'] as const

/** What --call asks for instead of a build. */
export interface CallRequest {
  readonly method: (typeof METHODS)[number]
  readonly format: 'text' | 'json'
  /** Ends with status 0 whatever is found. */
  readonly ignoreStatus: boolean
}

/** @throws OssbError ERR_OSSB_USAGE; undefined is a build */
export function parseCall({ call, check }: Pick<BuildFlags, 'call' | 'check'>): CallRequest | undefined {
  if (call === undefined) return check ? { method: 'check', format: 'text', ignoreStatus: false } : undefined
  const [word = '', ...settings] = splitCsv(call, '--call').map((field) => field.trim())
  const method = methodOf(word)
  if (check && method !== 'check')
    throw usageError(`Cannot use --check with --call ${word}`, 'Give one of them.')
  const request = settings.map((setting) => readSetting(setting, call))
  return method === undefined
    ? undefined
    : { method, format: 'text', ignoreStatus: false, ...Object.assign({}, ...request) }
}

function methodOf(word: string): CallRequest['method'] | undefined {
  const name = word.replace(/^method=/, '')
  if (name === 'build') return undefined
  if (name === 'lint') return 'check'
  const method = METHODS.find((known) => known === name)
  if (method !== undefined) return method
  throw usageError(
    `Cannot use --call "${word}": there is no such method`,
    `Methods: build, ${METHODS.join(', ')}.`,
  )
}

function readSetting(setting: string, call: string): Partial<CallRequest> {
  const equals = setting.indexOf('=')
  const key = equals === -1 ? setting : setting.slice(0, equals)
  const value = equals === -1 ? 'true' : setting.slice(equals + 1)
  if (key === 'format' && (value === 'text' || value === 'json')) return { format: value }
  if (key === 'ignorestatus' && /^(?:1|t|true|0|f|false)$/i.test(value))
    return { ignoreStatus: /^(?:1|t|true)$/i.test(value) }
  throw usageError(
    `Cannot use --call "${call}": "${setting}" means nothing`,
    'Write METHOD[,format=text|json][,ignorestatus=true].',
  )
}
