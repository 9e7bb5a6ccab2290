import type { SourceRange } from '../../core/index.ts'
import { buildArg, entersEnvironment } from './arguments.ts'
import { dockerfileError } from './dockerfile-error.ts'
import { goList, goQuoteList } from './go-format.ts'
import { formatHealthcheck } from './healthcheck.ts'
import { addHistory } from './image-state.ts'
import type { CommandLine, InstructionOf } from './instructions.ts'
import { appended } from './linked-list.ts'
import { checkPort } from './lint-checks.ts'
import { describedAs } from './outline.ts'
import { expandPort } from './ports.ts'
import { isSignal } from './signals.ts'
import { expand, expandToWords, type StageState } from './stage-state.ts'
import type { NameValue } from './word-list.ts'

const DEFAULT_SHELL = ['/bin/sh', '-c']

/** The process that a command means: the shell form goes through SHELL. */
export function processArguments(state: StageState, command: CommandLine): readonly string[] {
  return command.form === 'exec'
    ? command.words
    : [...(state.image.shell ?? DEFAULT_SHELL), command.words.join(' ')]
}

function expandPairs(state: StageState, pairs: readonly NameValue[], range: SourceRange) {
  return pairs.map(({ name, value }) => [expand(state, name, range), expand(state, value, range)] as const)
}

export function convertEnv(state: StageState, { pairs, range }: InstructionOf<'ENV'>): void {
  // All words are expanded before any is set: `ENV a=1 b=$a` means the old value of a.
  const expanded = expandPairs(state, pairs, range)
  for (const [name, value] of expanded) state.env.set(name, value)
  state.image.env = appended(state.image.env, expanded)
  addHistory(state.image, `ENV ${expanded.map((pair) => pair.join('=')).join(' ')}`, 'empty')
}

export function convertLabel(state: StageState, { pairs, range }: InstructionOf<'LABEL'>): void {
  const expanded = expandPairs(state, pairs, range)
  state.image.labels = appended(state.image.labels, expanded)
  addHistory(state.image, `LABEL ${expanded.map((pair) => pair.join('=')).join(' ')}`, 'empty')
}

export function convertArg(state: StageState, instruction: InstructionOf<'ARG'>): void {
  const shown = instruction.declarations.map((declaration) => {
    const { name, defaultValue } = declaration
    const own =
      buildArg(state.scope.input, name) ??
      (defaultValue === undefined ? undefined : expand(state, defaultValue, instruction.range))
    const value = own ?? state.scope.globals.get(name)
    noteArgument(state, instruction, { name, own, isInherited: own === undefined && value !== undefined })
    state.declared.set(name, value ?? state.declared.get(name))
    if (value === undefined) return name
    if (entersEnvironment(name)) state.env.set(name, value)
    return `${name}=${value}`
  })
  addHistory(state.image, `ARG ${shown.join(' ')}`, 'empty')
}

interface NotedArgument {
  readonly name: string
  readonly own: string | undefined
  /** Whether it is the global ARG that says what the argument is. */
  readonly isInherited: boolean
}

function noteArgument(
  { scope: { outline }, stage }: StageState,
  { range, comments }: InstructionOf<'ARG'>,
  { name, own, isInherited }: NotedArgument,
): void {
  outline.used.add(name)
  if (isInherited) return
  const noted = outline.stageArgs.get(stage.index) ?? []
  outline.stageArgs.set(stage.index, noted)
  noted.push({
    name,
    ...describedAs(comments, name),
    ...(own === undefined ? {} : { value: own }),
    source: range,
  })
}

export function convertMaintainer({ image }: StageState, { value }: InstructionOf<'MAINTAINER'>): void {
  image.author = value
  addHistory(image, `MAINTAINER ${value}`, 'empty')
}

export function convertUser(state: StageState, { value, range }: InstructionOf<'USER'>): void {
  const user = expand(state, value, range)
  state.image.user = user
  addHistory(state.image, `USER ${user}`, 'empty')
}

export function convertStopSignal(state: StageState, { value, range }: InstructionOf<'STOPSIGNAL'>): void {
  const signal = expand(state, value, range)
  if (!isSignal(signal)) throw dockerfileError(`invalid signal: ${signal}`)
  state.image.stopSignal = signal
  addHistory(state.image, `STOPSIGNAL ${signal}`, 'empty')
}

export function convertShell({ image }: StageState, { words }: InstructionOf<'SHELL'>): void {
  image.shell = words
  addHistory(image, `SHELL ${goList(words)}`, 'empty')
}

export function convertVolume(state: StageState, { paths, range }: InstructionOf<'VOLUME'>): void {
  const expanded = paths.map((path) => expand(state, path, range))
  if (expanded.includes('')) throw dockerfileError('VOLUME specified can not be an empty string')
  state.image.volumes = appended(state.image.volumes, expanded)
  addHistory(state.image, `VOLUME ${goList(expanded)}`, 'empty')
}

/** All there are, several times over. */
const MAX_PORTS = 500_000

function countPorts({ scope }: StageState, count: number): void {
  scope.expanded.ports += count
  if (scope.expanded.ports > MAX_PORTS) throw dockerfileError(`EXPOSE names more than ${MAX_PORTS} ports`)
}

export function convertExpose(state: StageState, { ports, range }: InstructionOf<'EXPOSE'>): void {
  const words = ports.flatMap((port) => expandToWords(state, port, range))
  for (const word of words) checkPort(word, range, state.scope.lint)
  const expanded = [...words].sort().flatMap((word) => {
    const some = expandPort(word)
    countPorts(state, some.length)
    return some
  })
  state.image.exposedPorts = appended(state.image.exposedPorts, expanded)
  addHistory(state.image, `EXPOSE ${goList(expanded)}`, 'empty')
}

export function convertHealthcheck(
  { image }: StageState,
  { healthcheck }: InstructionOf<'HEALTHCHECK'>,
): void {
  image.healthcheck = healthcheck
  addHistory(image, `HEALTHCHECK ${formatHealthcheck(healthcheck)}`, 'empty')
}

export function convertOnbuild({ image }: StageState, { trigger }: InstructionOf<'ONBUILD'>): void {
  image.onBuild = appended(image.onBuild, [trigger])
}

/** CMD and ENTRYPOINT. An ENTRYPOINT clears a CMD that the stage inherited, but not its own. */
export function convertCommand(
  state: StageState,
  { name, command }: InstructionOf<'CMD'> | InstructionOf<'ENTRYPOINT'>,
): void {
  const { image } = state
  const words = processArguments(state, command)
  if (name === 'CMD') {
    setWords(image, 'cmd', words)
    image.argsEscaped = true
    state.ownCmd = true
  } else {
    setWords(image, 'entrypoint', words)
    if (!state.ownCmd) delete image.cmd
  }
  addHistory(image, `${name} ${goQuoteList(words)}`, 'empty')
}

function setWords(image: StageState['image'], member: 'cmd' | 'entrypoint', words: readonly string[]): void {
  if (words.length === 0) delete image[member]
  else image[member] = words
}
