import { DIGEST_PATTERN, isDigest } from './digest.ts'
import { OssbError } from './errors.ts'
import { parseReference, type Reference } from './reference.ts'

/** A file or directory that holds images. */
export type ImageFileType = 'oci' | 'oci-archive' | 'docker-archive'

/** Where an image is, or is to be. `text` is what the user wrote, for messages. */
export type ImageLocation = { readonly text: string } & (
  | { readonly type: 'registry'; readonly reference: Reference }
  | {
      readonly type: ImageFileType
      readonly path: string
      /** A name, a digest, or `@` and a number from 0; empty where the image has to be the only one. */
      readonly name: string
    }
  /** The cache directory, where builds keep images by name. */
  | { readonly type: 'cache'; readonly name: string }
)

const FORMS =
  'Write a reference such as registry.example.com/app:1.0, or oci:DIRECTORY[:NAME|@DIGEST], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME], cache:NAME.'

/** What other tools read images from, and is not read here. */
const FOREIGN = /^(containers-storage|docker-daemon|dir|ostree|sif|tarball):/

const FILE_TYPES: Readonly<Record<string, ImageFileType>> = {
  oci: 'oci',
  'oci-layout': 'oci',
  'oci-archive': 'oci-archive',
  'docker-archive': 'docker-archive',
}

/**
 * Reads where an image is: `REFERENCE`, `docker://REFERENCE`, `oci:DIRECTORY`, `oci-archive:FILE`,
 * `docker-archive:FILE` (each with `:NAME`, `@DIGEST` or `@NUMBER` behind it) or `cache:NAME`. `//` may stand after the
 * first colon of each.
 * @throws OssbError ERR_OSSB_REFERENCE_INVALID
 */
export function parseImageLocation(text: string): ImageLocation {
  const [, scheme = '', slashes, rest = ''] = /^([a-z-]+):(\/\/)?(.*)$/s.exec(text) ?? []
  if (scheme === 'cache') return { text, type: 'cache', name: required(rest, text) }
  const type = Object.hasOwn(FILE_TYPES, scheme) ? FILE_TYPES[scheme] : undefined
  if (type !== undefined) return { text, type, ...splitPath(required(rest, text)) }
  if (slashes !== undefined && (scheme === 'docker' || scheme === 'docker-image'))
    return { text, type: 'registry', reference: parseReference(rest) }
  if (FOREIGN.test(text))
    throw new OssbError(
      'ERR_OSSB_REFERENCE_INVALID',
      `Cannot use "${text}": images are not read from "${scheme}"`,
      { hint: `${FORMS} An image of that name in a registry is docker://${text}.` },
    )
  return { text, type: 'registry', reference: parseReference(text) }
}

const NUMBERED = new RegExp(`^([^:]+):?(@\\d+|@${DIGEST_PATTERN})$`, 's')

/** `PATH`, `PATH:NAME`, `PATH@sha256:…`, `PATH@0` or `PATH:@0`: a path holds no colon, as for other tools. */
function splitPath(text: string): { readonly path: string; readonly name: string } {
  const numbered = NUMBERED.exec(text)
  if (numbered !== null) {
    const [, path = '', name = ''] = numbered
    return { path, name: isDigest(name.slice(1)) ? name.slice(1) : name }
  }
  const colon = text.indexOf(':')
  if (colon === -1) return { path: text, name: '' }
  return { path: text.slice(0, colon), name: text.slice(colon + 1) }
}

function required(rest: string, text: string): string {
  if (rest !== '' && !rest.startsWith(':')) return rest
  throw new OssbError('ERR_OSSB_REFERENCE_INVALID', `Cannot use "${text}": nothing stands after the colon`, {
    hint: FORMS,
  })
}
