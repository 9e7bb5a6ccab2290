import { OssbError, type Platform, parsePlatform, parseReference } from '../../core/index.ts'
import type { DockerfileInput } from '../../graph/index.ts'
import { type ArgumentScope, globalScope } from './arguments.ts'
import { dockerfileError, locate } from './dockerfile-error.ts'
import { goQuote } from './go-format.ts'
import type { Lint } from './lint.ts'
import type { Dockerfile, Stage } from './stages.ts'
import { didYouMean } from './suggestion.ts'
import { expandWord } from './words.ts'

/** A FROM line by what its variables mean. */
export interface FromLine {
  /** Image, stage or context. */
  readonly base: string
  readonly platform: Platform
  /** The arguments that the line uses and that have a value. */
  readonly uses: ReadonlySet<string>
}

export interface FromOptions {
  readonly dockerfile: Dockerfile
  readonly input: DockerfileInput
  /** The platform of the plan. */
  readonly platform: Platform
  readonly globals: ArgumentScope
  readonly lint: Lint
}

/**
 * The FROM lines of all stages, by index: a mistake in one is an error whether the stage is reached or not.
 * @throws OssbError with the place
 */
export function readFromLines(options: FromOptions): readonly FromLine[] {
  const lines = options.dockerfile.stages.map((stage) =>
    locate(stage.range, () => readFromLine(stage, options)),
  )
  checkDefaults(options)
  return lines
}

function readFromLine(stage: Stage, options: FromOptions): FromLine {
  const base = expandGlobal(stage.base, stage, options)
  if (base.text === '') throw dockerfileError(`base name (${stage.base}) should not be blank`)
  if (stage.platform === undefined) return { base: base.text, platform: options.platform, uses: base.matched }
  const platform = expandGlobal(stage.platform, stage, options)
  checkPlatform({ ...stage, platform: stage.platform }, platform, options)
  return {
    base: base.text,
    platform: platformOf(platform.text, stage.platform, options.input),
    uses: new Set([...base.matched, ...platform.matched]),
  }
}

interface Expanded {
  readonly text: string
  readonly matched: ReadonlySet<string>
  readonly unmatched: ReadonlySet<string>
}

function expandGlobal(word: string, stage: Stage, { globals, lint, dockerfile }: FromOptions): Expanded {
  const matched = new Set<string>()
  const unmatched = new Set<string>()
  const lookup = (name: string) => {
    const value = globals.get(name)
    if (value !== undefined) matched.add(name)
    return value
  }
  const onUnset = (name: string) => {
    unmatched.add(name)
    lint.report('UndefinedArgInFrom', stage.range, name, didYouMean(name, globals.keys()))
  }
  const text = expandWord(word, lookup, { escape: dockerfile.directives.escape, onUnset })
  return { text, matched, unmatched }
}

function checkPlatform(
  { platform, name = '', range }: Stage & { readonly platform: string },
  { text, matched, unmatched }: Expanded,
  { lint, globals }: FromOptions,
): void {
  if (unmatched.size > 0) return
  if (matched.size === 0) {
    const parts = platformParts(text)
    if (parts.length > 0 && !parts.some((part) => name.includes(part)))
      lint.report('FromPlatformFlagConstDisallowed', range, text)
  } else if (matched.size === 1 && matched.has('TARGETPLATFORM') && text === globals.get('TARGETPLATFORM')) {
    lint.report('RedundantTargetPlatform', range, platform)
  }
}

function platformParts(text: string): readonly string[] {
  try {
    const { os, architecture } = parsePlatform(text)
    return [os, architecture]
  } catch {
    return []
  }
}

function platformOf(text: string, written: string, { buildPlatform }: DockerfileInput): Platform {
  if (text === '') throw dockerfileError(`empty platform value from expression ${written}`)
  try {
    return parsePlatform(text, buildPlatform)
  } catch (cause) {
    const reason = text.includes('/')
      ? 'it is not os/architecture[/variant]'
      : 'unknown operating system or architecture'
    throw dockerfileError(`failed to parse platform ${text}: ${goQuote(text)}: ${reason}`, { cause })
  }
}

/** Bases that are no name of an image where no build argument is given. */
function checkDefaults({ dockerfile, input, platform, lint }: FromOptions): void {
  const { escape } = dockerfile.directives
  try {
    const defaults = globalScope({ dockerfile, input: { ...input, buildArgs: {} }, platform })
    for (const { base, range } of dockerfile.stages) {
      const name = expandWord(base, (key) => defaults.get(key), { escape })
      if (!isReference(name)) lint.report('InvalidDefaultArgInFrom', range, base)
    }
  } catch (error) {
    // A default that cannot be worked out is an error of its own, unless a build argument takes its place.
    if (!(error instanceof OssbError)) throw error
  }
}

function isReference(name: string): boolean {
  // What is no name in a registry at all is left to what resolves it.
  if (/^(?:(?:oci-layout|oci-archive|docker-archive):\/\/|(?:oci|oci-archive|docker-archive):\/)/.test(name))
    return true
  try {
    parseReference(name)
    return true
  } catch {
    return false
  }
}
