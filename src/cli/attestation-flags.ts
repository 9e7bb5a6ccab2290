import type { ProvenanceOptions } from '../index.ts'
import { splitCsv } from './csv.ts'
import type { BuildFlags } from './build-option-table.ts'
import { usageError } from './usage-error.ts'

interface Attested {
  readonly provenance?: ProvenanceOptions
  readonly sbom?: boolean
}

/** What `--provenance`, `--sbom` and `--attest` ask for; of several `--attest` of a type the last one counts. */
export function attestationOptions({
  provenance: flag,
  sbom: sbomFlag,
  attest,
}: Pick<BuildFlags, 'provenance' | 'sbom' | 'attest'>): Attested {
  const attested = attest.map(parseAttest)
  const provenance =
    flag === undefined
      ? attested.findLast((one) => 'provenance' in one)?.provenance
      : parseProvenance(flag, `--provenance ${flag}`)
  const sbom =
    sbomFlag === undefined
      ? attested.findLast((one) => 'sbom' in one)?.sbom
      : parseSbom(splitCsv(sbomFlag, '--sbom'), `--sbom ${sbomFlag}`)
  return { ...(provenance === undefined ? {} : { provenance }), ...(sbom === true ? { sbom } : {}) }
}

/** The member that the type asks for is there, also where it is switched off. */
function parseAttest(text: string): { provenance?: ProvenanceOptions | undefined; sbom?: boolean } {
  const flag = `--attest ${text}`
  const fields = splitCsv(text, '--attest')
  const type = fields.find((field) => field.startsWith('type='))?.slice('type='.length)
  const others = fields.filter((field) => !field.startsWith('type='))
  if (type === 'sbom') return { sbom: parseSbom(others, flag) }
  if (type !== 'provenance')
    throw usageError(
      `Cannot use ${flag}: ${type === undefined ? 'type is required for attestations' : `attestations of type "${type}" are not made`}`,
      'Write --attest type=provenance,mode=max, or --attest type=sbom.',
    )
  return { provenance: fromFields(others, flag) }
}

function parseSbom(fields: readonly string[], flag: string): boolean {
  let isWanted = true
  for (const field of fields) {
    if (['false', '0', 'disabled=true'].includes(field)) isWanted = false
    else if (!['true', '1', ''].includes(field))
      throw usageError(
        `Cannot use ${flag}: "${field}" is not known`,
        'It takes true, false and disabled=true; the bill of materials is made by ossb, not by a generator image.',
      )
  }
  return isWanted
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
