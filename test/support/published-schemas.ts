import { readFile } from 'node:fs/promises'
import { Ajv } from 'ajv'
import protobuf from 'protobufjs'

const { default: spdx } = await import('../fixtures/schemas/spdx-2.3.json', { with: { type: 'json' } })
const root = new protobuf.Root()
for (const name of ['resource_descriptor', 'statement', 'provenance'])
  protobuf.parse(await readFile(new URL(`../fixtures/schemas/${name}.proto`, import.meta.url), 'utf8'), root)

const ajv = new Ajv({ allErrors: true })
const checks = {
  spdx: ajv.compile(spdx),
  statement: ajv.compile(schemaOf(root.lookupType('in_toto_attestation.v1.Statement'))),
  provenance: ajv.compile(
    schemaOf(root.lookupType('in_toto_attestation.predicates.provenance.v1.Provenance')),
  ),
}

/** What the published schema of a format finds wrong with a document: each with where it is. */
export function faultsOf(kind: keyof typeof checks, document: unknown): readonly string[] {
  const check = checks[kind]
  check(document)
  return (check.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message}`)
}

/**
 * The JSON form of a message, as the JSON mapping of proto3 gives it. SLSA leaves members beside those of a message to
 * builders, if the builder is named before an underscore.
 */
function schemaOf(type: protobuf.Type): object {
  return {
    type: 'object',
    properties: Object.fromEntries(
      type.fieldsArray.map((field) => [field.options?.['json_name'] ?? field.name, fieldSchema(field, type)]),
    ),
    patternProperties: { '^buildkit_': {} },
    additionalProperties: false,
  }
}

function fieldSchema(field: protobuf.Field, type: protobuf.Type): object {
  const one = valueSchema(field.type, type)
  if (field.map) return { type: 'object', additionalProperties: one }
  return field.repeated ? { type: 'array', items: one } : one
}

function valueSchema(name: string, type: protobuf.Type): object {
  switch (name) {
    case 'string':
      return { type: 'string' }
    case 'bytes':
      return { type: 'string', pattern: '^[A-Za-z\\d+/_-]*={0,2}$' }
    case 'google.protobuf.Struct':
      return { type: 'object' }
    case 'google.protobuf.Timestamp':
      return { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d{1,9})?Z$' }
    default:
      return schemaOf(type.lookupType(name))
  }
}
