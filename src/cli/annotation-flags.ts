import type { AnnotationSpec } from '../index.ts'
import { usageError } from './usage-error.ts'

const LEVELS: readonly AnnotationSpec['level'][] = [
  'manifest',
  'manifest-descriptor',
  'index',
  'index-descriptor',
]

/** `--annotation [TYPE[[PLATFORM]],TYPE…:]KEY=VALUE`; without a type that of `manifest`. */
export function parseAnnotationFlags(texts: readonly string[]): readonly AnnotationSpec[] {
  return texts.flatMap((text) => {
    const wrong = (why: string) =>
      usageError(
        `Cannot use --annotation "${text}": ${why}`,
        'Write --annotation KEY=VALUE, or --annotation index,manifest:KEY=VALUE.',
      )
    const equals = text.indexOf('=')
    if (equals === -1) throw wrong('it has no value')
    const before = text.slice(0, equals)
    const colon = before.indexOf(':')
    const key = before.slice(colon + 1)
    if (key.trim() === '') throw wrong('the name is empty')
    const places = colon === -1 ? ['manifest'] : before.slice(0, colon).split(',')
    return places.map((place) => {
      const [, level = '', platform] = /^([a-z-]+)(?:\[([\w/.-]+)\])?$/.exec(place) ?? []
      return { ...placeOf(level, platform, wrong, place), key, value: text.slice(equals + 1) }
    })
  })
}

/** The attribute `annotation[-TYPE][[PLATFORM]].KEY` of --output; undefined for any other. */
export function annotationAttribute(name: string, value: string): AnnotationSpec | undefined {
  const [, level = 'manifest', platform, key] =
    /^annotation(?:-([a-z-]+))?(?:\[([\w/-]+)\])?\.(\S+)$/.exec(name) ?? []
  if (key === undefined) return undefined
  const wrong = (why: string) =>
    usageError(
      `Cannot use "${name}" in --output: ${why}`,
      'Write annotation.KEY=VALUE or annotation-index.KEY=VALUE.',
    )
  return { ...placeOf(level, platform, wrong, level), key, value }
}

function placeOf(
  level: string,
  platform: string | undefined,
  wrong: (why: string) => Error,
  text: string,
): Pick<AnnotationSpec, 'level' | 'platform'> {
  const known = LEVELS.find((one) => one === level)
  if (known === undefined) throw wrong(`unknown annotation type "${text}"`)
  return { level: known, ...(platform === undefined ? {} : { platform }) }
}
