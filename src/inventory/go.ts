import type { FoundPackage } from './found-package.ts'
import { purlOf } from './purl.ts'

const MAGIC = Buffer.from('\xff Go buildinf:', 'latin1')
/** The flag of strings that follow the header; programs of Go before 1.18 have addresses of strings there. */
const INLINE = 2
const HEADER_BYTES = 32
/** Around the module text, 16 bytes each. */
const SENTINEL_BYTES = 16

/**
 * The modules of a Go program, from its section .go.buildinfo (debug/buildinfo): the main module, what it depends on as
 * replaced, and the standard library. Nothing for what is not such a section.
 */
export function goPackages(section: Buffer): readonly FoundPackage[] {
  if (!section.subarray(0, MAGIC.length).equals(MAGIC) || ((section[15] ?? 0) & INLINE) === 0) return []
  const toolchain = readString(section, HEADER_BYTES)
  const modules = toolchain === undefined ? undefined : readString(section, toolchain.end)
  const version = toolchain?.bytes.toString().split(' ', 1)[0] ?? ''
  const text = modules?.bytes.subarray(SENTINEL_BYTES, -SENTINEL_BYTES).toString() ?? ''
  const library = version === '' ? [] : [goPackage('stdlib', version.replace(/^go/, ''))]
  return [...modulesOf(text), ...library]
}

/** Lines of tab-separated "mod|dep|=> PATH VERSION SUM"; "=>" is what stands in for the line above. */
function modulesOf(text: string): readonly FoundPackage[] {
  const found: FoundPackage[] = []
  for (const line of text.split('\n')) {
    const [kind, path, version = ''] = line.split('\t')
    if (path === undefined || path === '') continue
    if (kind === '=>') found.pop()
    if (kind === 'mod' || kind === 'dep' || kind === '=>') found.push(goPackage(path, version))
  }
  return found
}

function goPackage(path: string, version: string): FoundPackage {
  const slash = path.lastIndexOf('/')
  // What was built from a checkout has no version.
  const known = version === '(devel)' ? '' : version
  const namespace = path.slice(0, Math.max(slash, 0))
  const purl = purlOf({ type: 'golang', namespace, name: path.slice(slash + 1), version: known })
  return { type: 'golang', name: path, version: known, purl }
}

/** A length in base 128, least significant group first, and as many bytes. */
function readString(bytes: Buffer, at: number): { readonly bytes: Buffer; readonly end: number } | undefined {
  let length = 0
  for (let shift = 0; shift < 32; shift += 7) {
    const byte = bytes[at]
    if (byte === undefined) return undefined
    at += 1
    length += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80)
      return at + length > bytes.length
        ? undefined
        : { bytes: bytes.subarray(at, at + length), end: at + length }
  }
  return undefined
}
