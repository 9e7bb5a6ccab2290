import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { createDigester, digestHex, formatPlatform, type Job, OssbError } from '../core/index.ts'
import { type Image, type StatementSubject, statementOf } from '../oci/index.ts'
import type { RootView } from './root-file-system.ts'

/** A file that is written beside those of a root file system, at its top. */
export interface AttestationFile {
  readonly name: string
  readonly bytes: Buffer
}

const NAMES: Readonly<Record<string, string>> = {
  'https://slsa.dev/provenance/v1': 'provenance',
  'https://spdx.dev/Document': 'sbom.spdx',
}

/**
 * What is stated about an image, for where its files go: like BuildKit's, `provenance.json` and `sbom.spdx.json`, about each
 * of the regular files. Where several platforms go to one place the names say of which it is.
 * @param views all that is written with it
 * @throws OssbError ERR_OSSB_OUTPUT where the image has a file of such a name
 */
export async function attestationFiles(
  { image, rootfs, entries }: RootView,
  views: readonly RootView[],
  job: Job,
): Promise<readonly AttestationFile[]> {
  const { attestations = [] } = image
  if (attestations.length === 0) return []
  const isShared = views.length > 1 && views.every(({ folder }) => folder === '')
  const namesOf = (one: Image) =>
    (one.attestations ?? []).map(({ predicateType }) => nameOf(predicateType, one, isShared))
  const names = namesOf(image)
  const taken = isShared ? views.flatMap((view) => namesOf(view.image)) : names
  const subject: StatementSubject[] = []
  for await (const { path, type } of entries()) {
    job.signal.throwIfAborted()
    if (taken.includes(path))
      throw new OssbError(
        'ERR_OSSB_OUTPUT',
        `Cannot write "${path}" for the image: it has such a file itself`,
        {
          hint: 'Leave --provenance and --sbom out, or write the image and not its files.',
        },
      )
    if (type === 'file')
      subject.push({ name: path, digest: { sha256: await contentHex(join(rootfs, path)) } })
  }
  return attestations.map((attestation, at) => ({
    name: names[at] ?? '',
    bytes: Buffer.from(statementOf(attestation, subject)),
  }))
}

function nameOf(predicateType: string, { platform }: Image, isShared: boolean): string {
  const name = NAMES[predicateType] ?? 'attestation'
  return isShared ? `${name}.${formatPlatform(platform).replaceAll('/', '_')}.json` : `${name}.json`
}

async function contentHex(path: string): Promise<string> {
  const digester = createDigester()
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 }))
    digester.update(chunk as Buffer)
  return digestHex(digester.digest())
}
