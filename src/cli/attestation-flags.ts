import type { ProvenanceOptions } from '../index.ts'
import { splitCsv } from './csv.ts'
import type { BuildFlags } from './option-table.ts'
import { usageError } from './usage-error.ts'

/** What `--provenance` and `--attest` ask for; of several the last one counts. */
export function provenanceOptions({
  provenance,
  attest,
}: Pick<BuildFlags, 'provenance' | 'attest'>): ProvenanceOptions | undefined {
  const attested = attest.map((text) => parseAttest(text))
  if (provenance !== undefined) return parseProvenance(provenance, `--provenance ${provenance}`)
  return attested.at(-1)
}

function parseAttest(text: string): ProvenanceOptions | undefined {
  const flag = `--attest ${text}`
  const fields = splitCsv(text, '--attest')
  const type = fields.find((field) => field.startsWith('type='))?.slice('type='.length)
  if (type !== 'provenance')
    throw usageError(
      `Cannot use ${flag}: ${type === undefined ? 'type is required for attestations' : `attestations of type "${type}" are not made`}`,
      'Write --attest type=provenance,mode=max.',
    )
  return fromFields(
    fields.filter((field) => !field.startsWith('type=')),
    flag,
  )
}

function parseProvenance(text: string, flag: string): ProvenanceOptions | undefined {
  if (['true', '1', ''].includes(text)) return { mode: 'min' }
  if (['false', '0'].includes(text)) return undefined
  return fromFields(splitCsv(text, '--provenance'), flag)
}

function fromFields(fields: readonly string[], flag: string): ProvenanceOptions | undefined {
  let mode: ProvenanceOptions['mode'] = 'min'
  let builderId: string | undefined
  for (const field of fields) {
    const [key, value] = [field.split('=', 1)[0], field.slice(field.indexOf('=') + 1)]
    if (key === 'mode' && (value === 'min' || value === 'max')) mode = value
    else if (key === 'builder-id') builderId = value
    else if (key === 'disabled' && value === 'true') return undefined
    else if (!(key === 'version' && value === 'v1'))
      throw usageError(
        `Cannot use ${flag}: "${field}" is not known`,
        'It takes mode=min, mode=max, builder-id=URL, version=v1 and disabled=true.',
      )
  }
  return { mode, ...(builderId === undefined ? {} : { builderId }) }
}
