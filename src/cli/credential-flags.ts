import type { SecretSpec, SshSpec } from '../index.ts'
import { splitCsv } from './csv.ts'
import { usageError } from './usage-error.ts'

type Environment = Readonly<Record<string, string | undefined>>

interface SecretFields {
  id?: string
  source?: string
  env?: string
  type?: string
}

/** `--secret id=ID[,src|source=FILE][,env=VAR][,type=file|env]`, as buildx reads it. */
export function parseSecrets(texts: readonly string[], environment: Environment): readonly SecretSpec[] {
  return texts.map((text) => secretOf(text, readFields(text), environment))
}

/** Without a source, the variable of the secret's name counts, and the file of that name where there is none. */
function secretOf(text: string, fields: SecretFields, environment: Environment): SecretSpec {
  const { id, source, type } = fields
  if (id === undefined || id === '') throw wrong(text, 'it has no id')
  const env = fields.env ?? (type === 'env' ? source : undefined)
  if (env !== undefined && env !== '') return { id, env }
  if (source !== undefined && source !== '' && type !== 'env') return { id, file: source }
  const isVariable = type === 'env' || (type === undefined && environment[id] !== undefined)
  return isVariable ? { id, env: id } : { id, file: id }
}

function readFields(text: string): SecretFields {
  const fields: SecretFields = {}
  for (const field of splitCsv(text, '--secret')) {
    const equals = field.indexOf('=')
    if (equals === -1) throw wrong(text, `invalid field '${field}' must be a key=value pair`)
    setField(fields, {
      text,
      field,
      key: field.slice(0, equals).toLowerCase(),
      value: field.slice(equals + 1),
    })
  }
  return fields
}

interface Field {
  readonly text: string
  readonly field: string
  readonly key: string
  readonly value: string
}

function setField(fields: SecretFields, { text, field, key, value }: Field): void {
  switch (key) {
    case 'type':
      if (value !== 'file' && value !== 'env') throw wrong(text, `unsupported secret type "${value}"`)
      fields.type = value
      return
    case 'id':
      fields.id = value
      return
    case 'source':
    case 'src':
      fields.source = value
      return
    case 'env':
      fields.env = value
      return
    default:
      throw wrong(text, `unexpected key '${key}' in '${field}'`)
  }
}

function wrong(text: string, reason: string): Error {
  return usageError(
    `Cannot use --secret ${text}: ${reason}`,
    'Write --secret id=ID,src=FILE or --secret id=ID,env=VARIABLE.',
  )
}

/** `--ssh default|ID[=SOCKET[,raw=true]|KEY[,KEY]]`. */
export function parseSshAgents(texts: readonly string[]): readonly SshSpec[] {
  const specs = texts.map(sshOf)
  const twice = specs.find(({ id }, index) => specs.findIndex((other) => other.id === id) < index)
  if (twice === undefined) return specs
  throw usageError(`Cannot use two --ssh of the name "${twice.id}"`, 'Give each a name of its own.')
}

function sshOf(text: string): SshSpec {
  const equals = text.indexOf('=')
  const id = (equals === -1 ? text : text.slice(0, equals)) || 'default'
  const values = equals === -1 ? [] : text.slice(equals + 1).split(',')
  const settings = values.filter((value) => value.startsWith('raw='))
  const unclear = settings.find((setting) => !/^raw=(true|false)$/.test(setting))
  if (unclear !== undefined)
    throw usageError(`Cannot use --ssh ${text}: "${unclear}" is neither true nor false`, 'Write raw=true.')
  return {
    id,
    paths: values.filter((value) => value !== '' && !value.startsWith('raw=')),
    raw: settings.at(-1) === 'raw=true',
  }
}
