/**
 * One flag of kaniko's programs, with the name, shorthand and default that it has there. What a flag is for is said
 * where its value is read; `--help` and the error texts are made from these records.
 */
export interface KanikoFlag {
  readonly name: string
  readonly shorthand?: string
  readonly kind: FlagKind
  /** Stands for the value in help. */
  readonly type?: string
  /** As it is shown in help; what a flag that is absent means. */
  readonly default?: string
  /** Absent where another field says what there is to say. */
  readonly description?: string
  /** Accepted for the sake of jobs that give it. */
  readonly effect?: 'none'
  readonly hidden?: boolean
  /** What to write instead: the flag still works, and says so. */
  readonly deprecated?: string
  /** An older spelling of another flag. */
  readonly alias?: string
}

/** `list` takes one value each time it is given, `words` several with commas between them. */
export type FlagKind = 'bool' | 'string' | 'int' | 'duration' | 'list' | 'words'

type NameOf<Flag extends KanikoFlag, Kind extends FlagKind> = Extract<Flag, { readonly kind: Kind }>['name']

/** What a command line says, by the names of its flags. */
export interface FlagValues<Flag extends KanikoFlag> {
  on(name: NameOf<Flag, 'bool'>): boolean
  text(name: NameOf<Flag, 'string'>): string
  number(name: NameOf<Flag, 'int'>): number
  /** Milliseconds. */
  duration(name: NameOf<Flag, 'duration'>): number
  list(name: NameOf<Flag, 'list' | 'words'>): readonly string[]
  /** Whether it was on the command line, whatever its value. */
  isSet(name: Flag['name']): boolean
}
