import {
  type Descriptor,
  digestHex,
  digestOf,
  familiarReference,
  formatPlatform,
  MEDIA_TYPE,
  type Platform,
  parseReference,
} from '../core/index.ts'
import type { Attestation } from './layer.ts'
import type { ImageDocument } from './manifest.ts'
import { serializeDocument } from './serialize.ts'

export interface AttestedImage {
  readonly manifest: Descriptor
  readonly platform: Platform
  readonly attestations: readonly Attestation[]
}

const IN_TOTO = 'application/vnd.in-toto+json'
const ATTESTATION_MANIFEST = 'application/vnd.docker.attestation.manifest.v1+json'
const EMPTY = documentOf('application/vnd.oci.empty.v1+json', '{}')

/**
 * The attestations of an image as BuildKit attaches them: one manifest with a statement in each layer, and the entry that
 * leads to it from the index that has the image.
 * @param names what the image is called, for the subject of the statements
 */
export function attestationDocuments(
  { manifest, platform, attestations }: AttestedImage,
  names: readonly string[],
): { readonly documents: readonly ImageDocument[]; readonly entry: Descriptor } {
  const subject = names.map((name) => ({
    name: packageUrl(name, platform),
    digest: { sha256: digestHex(manifest.digest) },
  }))
  const statements = attestations.map((attestation) => ({
    predicateType: attestation.predicateType,
    document: documentOf(IN_TOTO, statementOf(attestation, subject)),
  }))
  const document = documentOf(
    MEDIA_TYPE.ociManifest,
    serializeDocument({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      artifactType: ATTESTATION_MANIFEST,
      config: { ...EMPTY.descriptor, data: Buffer.from(EMPTY.bytes).toString('base64') },
      layers: statements.map(({ predicateType, document: { descriptor } }) => ({
        ...descriptor,
        annotations: { 'in-toto.io/predicate-type': predicateType },
      })),
      subject: manifest,
    }),
  )
  return {
    documents: [...statements.map((statement) => statement.document), EMPTY, document],
    entry: {
      ...document.descriptor,
      artifactType: ATTESTATION_MANIFEST,
      annotations: {
        'vnd.docker.reference.digest': manifest.digest,
        'vnd.docker.reference.type': 'attestation-manifest',
      },
      platform: { os: 'unknown', architecture: 'unknown' },
    },
  }
}

/** What a statement is about: the hexadecimal digits of digests, by algorithm. */
export interface StatementSubject {
  readonly name: string
  readonly digest: { readonly sha256: string }
}

/** An in-toto statement (in-toto/attestation, spec/v1/statement.md), as JSON. */
export function statementOf(
  { predicateType, predicate }: Attestation,
  subject: readonly StatementSubject[],
): string {
  return JSON.stringify({ _type: 'https://in-toto.io/Statement/v1', subject, predicateType, predicate })
}

/** `pkg:docker/NAME@TAG?platform=linux%2Famd64` (package-url, type docker). */
export function packageUrl(name: string, platform?: Platform, digest?: string): string {
  const { digest: named, tag, ...place } = parseReference(name)
  const path = familiarReference(place).replace(/:latest$/, '')
  const version = tag ?? (named === undefined ? 'latest' : undefined)
  const qualifiers = [
    ...((digest ?? named) === undefined ? [] : [`digest=${digest ?? named}`]),
    ...(platform === undefined ? [] : [`platform=${encodeURIComponent(formatPlatform(platform))}`]),
  ]
  return `pkg:docker/${path}${version === undefined ? '' : `@${version}`}${qualifiers.length === 0 ? '' : `?${qualifiers.join('&')}`}`
}

function documentOf(mediaType: string, text: string): ImageDocument {
  const bytes = Buffer.from(text)
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
}
