import type { OssbError, SourceRange } from '../core/index.ts'
import type { SourceFile } from './source-file.ts'

/** One finding of a check. */
export interface CheckWarning {
  /** Name of the rule: "StageNameCasing". */
  readonly rule: string
  /** What the rule is about. */
  readonly description: string
  /** Where the rule is explained. */
  readonly url?: string
  /** What was found. */
  readonly detail: string
  readonly source: SourceRange
}

/** What the checks found, in the order of the file. */
export interface CheckReport {
  readonly file: SourceFile
  readonly warnings: readonly CheckWarning[]
  /** What would make a build fail, of all that can be seen without one. */
  readonly error?: OssbError
  /** Base images that could not be looked at, and why: what depends on them was not checked. */
  readonly unresolved: readonly { readonly reference: string; readonly reason: string }[]
}

/** An argument that a build of the target takes. */
export interface OutlineArgument {
  readonly name: string
  /** What the comment above it says. */
  readonly description?: string
  /** What it is worth in this build; absent where nothing gives it a value. */
  readonly value?: string
  readonly source: SourceRange
}

/** Something that a step of the target mounts, by its id. */
export interface OutlineMount {
  readonly id: string
  readonly required: boolean
  readonly source: SourceRange
}

/** What a build of one target takes from outside. */
export interface Outline {
  readonly file: SourceFile
  /** Name of the target; absent where it has none. */
  readonly name?: string
  readonly description?: string
  readonly args: readonly OutlineArgument[]
  readonly secrets: readonly OutlineMount[]
  readonly ssh: readonly OutlineMount[]
  readonly caches: readonly OutlineMount[]
}

/** Something that can be built. */
export interface Target {
  readonly name?: string
  readonly description?: string
  /** Whether a build that names no target builds this one. */
  readonly isDefault: boolean
  /** What it is built on, as written. */
  readonly base: string
  /** The image that it is built on, with the values of arguments in its name; absent for a stage, scratch, and a name that can't be worked out. */
  readonly image?: string
  readonly platform?: string
  readonly source: SourceRange
}

export interface TargetList {
  readonly file: SourceFile
  readonly targets: readonly Target[]
}
