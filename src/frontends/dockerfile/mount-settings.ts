import { dockerfileError } from './dockerfile-error.ts'
import { goQuote } from './go-format.ts'
import type { MountField, MountFields } from './mount-fields.ts'
import { didYouMean } from './suggestion.ts'

const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const
const SHARING = ['shared', 'private', 'locked'] as const

type MountType = (typeof TYPES)[number]

/** The values of one RUN --mount, expanded and checked against its type. */
export interface MountSettings {
  type: MountType
  target?: string
  source?: string
  from?: string
  /** Absent where neither `ro` nor `rw` is said. */
  access?: 'read' | 'write'
  id?: string
  sharing?: (typeof SHARING)[number]
  mode?: number
  uid?: number
  gid?: number
  /** Bytes. */
  size?: number
  required: boolean
  env?: string
}

interface KeyRule {
  readonly types: readonly MountType[]
  /** The error for any other type. */
  refuse(type: MountType, field: MountField): string
  set(settings: MountSettings, value: string, field: MountField): void
}

const refuseKey: KeyRule['refuse'] = (type, { key }) => `unexpected key '${key}' for mount type '${type}'`
const refuseOwner: KeyRule['refuse'] = (type, { key }) => `${key} not allowed for "${type}" type mounts`

const WITH_SOURCE = ['bind', 'cache', 'secret'] as const
const WITH_OWNER = ['cache', 'secret', 'ssh'] as const

const target: KeyRule = {
  types: TYPES,
  refuse: refuseKey,
  set: (settings, value) => {
    settings.target = value
  },
}

const source: KeyRule = {
  types: WITH_SOURCE,
  refuse: refuseKey,
  set: (settings, value) => {
    settings.source = value
  },
}

/** `opposite` says what a value of false means. */
function access(types: readonly MountType[], granted: 'read' | 'write', opposite: 'read' | 'write'): KeyRule {
  return {
    types,
    refuse: refuseKey,
    set: (settings, value, field) => {
      settings.access = parseBoolean(field, value) ? granted : opposite
    },
  }
}

// A secret and an ssh socket are what they are, whatever is said here.
const readonly = access(TYPES, 'read', 'write')
const readwrite = access(TYPES, 'write', 'read')

function owner(name: 'uid' | 'gid'): KeyRule {
  return {
    types: WITH_OWNER,
    refuse: refuseOwner,
    set: (settings, value) => {
      if (!/^\d{1,10}$/.test(value) || Number(value) > 0xffff_ffff)
        throw dockerfileError(`invalid value ${value} for ${name}`)
      settings[name] = Number(value)
    },
  }
}

const KEYS: Readonly<Record<string, KeyRule>> = {
  // `type` is read before all others; this entry says only that it may stand there.
  type: { types: TYPES, refuse: refuseKey, set: () => undefined },
  target,
  dst: target,
  destination: target,
  source,
  src: source,
  from: {
    types: ['bind', 'cache'],
    refuse: (type) => `${type} mount should not have a from`,
    set: (settings, value) => {
      if (value !== '') settings.from = value
    },
  },
  readonly,
  ro: readonly,
  readwrite,
  rw: readwrite,
  id: {
    types: ['cache', 'secret', 'ssh'],
    refuse: refuseKey,
    set: (settings, value) => {
      settings.id = value
    },
  },
  sharing: {
    types: ['cache'],
    refuse: (type) => `invalid cache sharing set for ${type} mount`,
    set: (settings, value) => {
      const sharing = SHARING.find((candidate) => candidate === value.toLowerCase())
      if (sharing === undefined) {
        const hint = didYouMean(value, SHARING)
        throw dockerfileError(`unsupported sharing value ${goQuote(value)}${hint}`)
      }
      settings.sharing = sharing
    },
  },
  mode: {
    types: WITH_OWNER,
    refuse: refuseOwner,
    set: (settings, value) => {
      if (!/^[0-7]{1,5}$/.test(value) || Number.parseInt(value, 8) > 0o7777)
        throw dockerfileError(`invalid value ${value} for mode`)
      settings.mode = Number.parseInt(value, 8)
    },
  },
  uid: owner('uid'),
  gid: owner('gid'),
  size: {
    types: ['tmpfs'],
    refuse: refuseKey,
    set: (settings, value) => {
      settings.size = parseSize(value)
    },
  },
  required: {
    types: ['secret', 'ssh'],
    refuse: refuseKey,
    set: (settings, value, field) => {
      settings.required = parseBoolean(field, value)
    },
  },
  env: {
    types: ['secret'],
    refuse: refuseKey,
    set: (settings, value) => {
      settings.env = value
    },
  },
}

/** @throws OssbError without a place */
export function readMountSettings(
  { fields }: MountFields,
  expandValue: (value: string) => string,
): MountSettings {
  const valueOf = (field: MountField) =>
    field.value === undefined ? 'true' : field.key === 'from' ? field.value : expandValue(field.value)
  const values = fields.map((field) => ({ field, value: valueOf(field) }))
  const named = values.findLast(({ field }) => field.key === 'type')
  const settings: MountSettings = {
    type: named === undefined ? 'bind' : parseType(named.value),
    required: false,
  }
  for (const { field, value } of values) setField(settings, field, value)
  return settings
}

function setField(settings: MountSettings, field: MountField, value: string): void {
  const rule = Object.hasOwn(KEYS, field.key) ? KEYS[field.key] : undefined
  if (rule === undefined) {
    const hint = didYouMean(field.key, Object.keys(KEYS))
    throw dockerfileError(`unexpected key '${field.key}' in '${field.text}'${hint}`)
  }
  if (!rule.types.includes(settings.type)) throw dockerfileError(rule.refuse(settings.type, field))
  rule.set(settings, value, field)
}

function parseType(value: string): MountType {
  const type = TYPES.find((candidate) => candidate === value.toLowerCase())
  if (type === undefined)
    throw dockerfileError(`unsupported mount type ${goQuote(value)}${didYouMean(value, TYPES)}`)
  return type
}

function parseBoolean({ key }: MountField, value: string): boolean {
  if (/^(?:1|t|true)$/i.test(value)) return true
  if (/^(?:0|f|false)$/i.test(value)) return false
  throw dockerfileError(`invalid value for ${key}: ${value}`)
}

const SIZE = /^(\d{1,15}(?:\.\d{1,15})?) ?([kmgtp]?)(?:i?b)?$/i
const UNITS = ['', 'k', 'm', 'g', 't', 'p']

/** `10m`: bytes, in powers of 1024. */
function parseSize(value: string): number {
  const match = SIZE.exec(value)
  if (match === null) throw dockerfileError(`invalid size: ${goQuote(value)}`)
  return Math.floor(Number(match[1]) * 1024 ** UNITS.indexOf((match[2] ?? '').toLowerCase()))
}
