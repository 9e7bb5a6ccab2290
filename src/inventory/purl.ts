import type { Distribution } from './found-package.ts'

export interface PurlParts {
  readonly type: string
  /** Parts in front of the name, with slashes between them. */
  readonly namespace?: string
  readonly name: string
  readonly version: string
  readonly qualifiers?: Readonly<Record<string, string | undefined>>
}

/** `pkg:TYPE/NAMESPACE/NAME@VERSION?KEY=VALUE` (package-url specification); qualifiers in the order of their names. */
export function purlOf({ type, namespace, name, version, qualifiers = {} }: PurlParts): string {
  const path = [...(namespace?.split('/') ?? []), name].filter((part) => part !== '').map(encode)
  const query = Object.entries(qualifiers)
    .filter(([, value]) => value !== undefined && value !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${encode(value ?? '')}`)
  const tail = query.length === 0 ? '' : `?${query.join('&')}`
  return `pkg:${type}/${path.join('/')}${version === '' ? '' : `@${encode(version)}`}${tail}`
}

/** The qualifiers of a package of a distribution. */
export function qualifiersOf(
  arch: string | undefined,
  distribution: Distribution | undefined,
): Readonly<Record<string, string | undefined>> {
  const { id, version } = distribution ?? {}
  return { arch, distro: version === undefined ? id : `${id}-${version}` }
}

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll('%3A', ':')
}
