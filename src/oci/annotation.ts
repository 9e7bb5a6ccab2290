import { formatPlatform, type Platform } from '../core/index.ts'

/** Where an annotation can be: in a manifest, in the index, or at the descriptor that names one of them. */
export type AnnotationLevel = 'manifest' | 'manifest-descriptor' | 'index' | 'index-descriptor'

export interface Annotation {
  readonly level: AnnotationLevel
  /** Only for the image of this platform; absent is for all. */
  readonly platform?: Platform
  readonly key: string
  readonly value: string
}

/** Those of one place, of which the last one of a key counts; undefined where there are none. */
export function annotationsOf(
  annotations: readonly Annotation[],
  level: AnnotationLevel,
  platform?: Platform,
): Readonly<Record<string, string>> | undefined {
  const entries = annotations.flatMap((one): readonly (readonly [string, string])[] =>
    one.level === level && isFor(one, platform) ? [[one.key, one.value]] : [],
  )
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

function isFor({ platform: wanted }: Annotation, platform: Platform | undefined): boolean {
  if (wanted === undefined) return true
  return platform !== undefined && formatPlatform(wanted) === formatPlatform(platform)
}
