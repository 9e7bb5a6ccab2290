import { accessSync, constants } from 'node:fs'
import { resolve } from 'node:path'
import type { SecretSpec } from '../../index.ts'
import { CommandError } from './command-error.ts'
import { invalidArgument } from './parse-flags.ts'
import type { Environment } from './values.ts'

const FLAG = { name: 'secret' }
const KINDS = ['file', 'env']

interface Fields {
  id?: string
  source?: string
  env?: string
  type?: string
}

/**
 * `--secret id=ID[,src|source=FILE][,env=VAR][,type=file|env]` as kaniko reads it: without a source the variable of the
 * secret's name counts, and the file of that name where there is none.
 * @throws CommandError
 */
export function parseSecrets(
  texts: readonly string[],
  { environment, directory }: { readonly environment: Environment; readonly directory: string },
): readonly SecretSpec[] {
  const secrets: SecretSpec[] = []
  for (const text of texts) {
    const secret = parseSecret(text, environment)
    if (secrets.some(({ id }) => id === secret.id))
      throw wrong(text, `secret with ID "${secret.id}" is already defined`)
    secrets.push('file' in secret ? { ...secret, file: resolve(directory, secret.file) } : secret)
  }
  for (const secret of secrets) checkSource(secret, environment)
  return secrets
}

function parseSecret(text: string, environment: Environment): SecretSpec {
  const { id, source, env, type } = readFields(text)
  if (id === undefined || id === '') throw wrong(text, 'secret requires id=ID')
  if (source !== undefined && env !== undefined) throw wrong(text, 'only one of src or env may be specified')
  if (type === 'file' && env !== undefined) throw wrong(text, 'env cannot be specified for file type secrets')
  const variable = env ?? (type === 'env' ? (source ?? id) : undefined)
  if (variable !== undefined) return { id, env: variable }
  if (source !== undefined) return { id, file: source }
  return type === undefined && environment[id] !== undefined ? { id, env: id } : { id, file: id }
}

function readFields(text: string): Fields {
  const fields: Fields = {}
  for (const field of text.split(',')) {
    const equals = field.indexOf('=')
    if (equals === -1) throw wrong(text, `invalid secret format: "${text}"`)
    const key = field.slice(0, equals)
    const value = field.slice(equals + 1)
    if (key === 'id') fields.id = value
    else if (key === 'src' || key === 'source') fields.source = value
    else if (key === 'env') fields.env = value
    else if (key !== 'type') throw wrong(text, `unknown key "${key}" in secret`)
    else if (KINDS.includes(value)) fields.type = value
    else throw wrong(text, `invalid secret type: "${value}" (file|env)`)
  }
  return fields
}

function checkSource(secret: SecretSpec, environment: Environment): void {
  if ('env' in secret) {
    if (environment[secret.env] === undefined)
      throw new CommandError(`environment variable for secret "${secret.id}" not set: ${secret.env}`)
    return
  }
  try {
    accessSync(secret.file, constants.R_OK)
  } catch {
    throw new CommandError(`copying secret ${secret.file}: stat ${secret.file}: no such file or directory`)
  }
}

function wrong(text: string, why: string): Error {
  return new CommandError(invalidArgument(FLAG, text, why))
}
