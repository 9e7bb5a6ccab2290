import { formatPlatform, type Platform, parsePlatform, type SourceRange } from '../../core/index.ts'
import {
  type CopyAction,
  createVertex,
  type FileOp,
  type NamedContext,
  type Vertex,
} from '../../graph/index.ts'
import { contextVertex, findNamedContext } from './contexts.ts'
import { dockerfileError, locate } from './dockerfile-error.ts'
import { goQuote } from './go-format.ts'
import { addHistory, copyImage, type ImageState, imageFromConfig, scratchImage } from './image-state.ts'
import { locateAsync, type Planning, scratchVertex } from './planning.ts'
import { nextStepName, type PlanScope, type StageState, type StepNaming } from './stage-state.ts'
import type { Stage } from './stages.ts'
import { didYouMean } from './suggestion.ts'
import { expandWord } from './words.ts'

/** What a stage begins with: all of it is the stage's own to change. */
export interface Base extends Pick<StageState, 'image' | 'env' | 'declared' | 'platform' | 'ownWorkdir'> {
  /** The root file system; named as a step of the stage, where the stage itself brings it in. */
  createRoot(state: StepNaming): Vertex
  readonly isStep: boolean
}

/** Finds out what FROM names, and resolves it. */
export async function resolveBase(stage: Stage, planning: Planning): Promise<Base> {
  const { scope, links } = planning
  const platform = stagePlatform(stage, scope)
  const name = expandBase(stage, scope)
  const context = findNamedContext(scope.input, name, platform)
  if (context !== undefined)
    return await contextBase(context, { name, platform, range: stage.range }, planning)
  if (name === 'scratch') return emptyBase(platform, scratchVertex)
  const parent = links.parentOf(stage)
  if (parent === undefined) return imageBase({ reference: name, platform, range: stage.range }, planning)
  return stageBase(await planning.stage(parent), links.isOnlyChild(stage))
}

/**
 * An only child takes its parent's state over: copies for each link of a long chain of stages would take time and
 * space in the square of its length.
 */
function stageBase(parent: StageState, takeOver: boolean): Base {
  const { image, env, declared, platform, ownWorkdir, vertex } = parent
  return {
    image: takeOver ? image : copyImage(image),
    env: takeOver ? env : new Map(env),
    declared: takeOver ? declared : new Map(declared),
    platform,
    ownWorkdir,
    createRoot: () => vertex,
    isStep: false,
  }
}

function globalWord(word: string, stage: Stage, scope: PlanScope): string {
  const onUnset = (name: string) => {
    const suggestion = didYouMean(name, scope.globals.keys())
    scope.lint.report('UndefinedArgInFrom', stage.range, name, suggestion)
  }
  const { escape } = scope.dockerfile.directives
  return locate(stage.range, () => expandWord(word, (name) => scope.globals.get(name), { escape, onUnset }))
}

function expandBase(stage: Stage, scope: PlanScope): string {
  const name = globalWord(stage.base, stage, scope)
  if (name === '')
    throw dockerfileError(`base name (${stage.base}) should not be blank`, { source: stage.range })
  return name
}

function stagePlatform(stage: Stage, scope: PlanScope): Platform {
  if (stage.platform === undefined) return scope.platform
  const text = globalWord(stage.platform, stage, scope)
  const source = stage.range
  if (text === '') throw dockerfileError(`empty platform value from expression ${stage.platform}`, { source })
  try {
    const platform = parsePlatform(text, scope.input.buildPlatform)
    if (/^\$(?:TARGETPLATFORM|\{TARGETPLATFORM\})$/.test(stage.platform) && isSame(platform, scope.platform))
      scope.lint.report('RedundantTargetPlatform', source, '$TARGETPLATFORM')
    return platform
  } catch (cause) {
    const reason = text.includes('/')
      ? 'it is not os/architecture[/variant]'
      : 'unknown operating system or architecture'
    throw dockerfileError(`failed to parse platform ${text}: ${goQuote(text)}: ${reason}`, { source, cause })
  }
}

function isSame(a: Platform, b: Platform): boolean {
  return formatPlatform(a) === formatPlatform(b)
}

/** A named context in the place of a base image: the image that it is, or an image of its files alone. */
export async function contextBase(
  context: NamedContext,
  {
    name,
    platform,
    range,
  }: { readonly name: string; readonly platform: Platform; readonly range: SourceRange },
  planning: Planning,
): Promise<Base> {
  if (context.image !== undefined)
    return await imageBase({ reference: context.image, platform, range }, planning)
  const image = scratchImage(platform)
  addHistory(image, `FROM ${name}`, 'layer')
  const op: FileOp = { kind: 'file', actions: [copyOfAll(1)] }
  return {
    ...fromImage(image, platform),
    createRoot: (state) =>
      createVertex(op, [scratchVertex(), contextVertex(context.name)], {
        name: nextStepName(state, `FROM ${name}`),
        source: range,
      }),
    isStep: true,
  }
}

function copyOfAll(input: number): CopyAction {
  return {
    type: 'copy',
    input,
    sources: ['.'],
    destination: '/',
    ownership: 'root',
    unpack: false,
    exclude: [],
    parents: false,
    link: false,
  }
}

function emptyBase(platform: Platform, createRoot: () => Vertex): Base {
  return { ...fromImage(scratchImage(platform), platform), createRoot, isStep: false }
}

function fromImage(image: ImageState, platform: Platform): Omit<Base, 'createRoot' | 'isStep'> {
  return { image, env: new Map(image.env), declared: new Map(), platform, ownWorkdir: false }
}

interface WantedImage {
  readonly reference: string
  readonly platform: Platform
  readonly range: SourceRange
}

async function imageBase(wanted: WantedImage, { scope, images, job }: Planning): Promise<Base> {
  const { reference, platform, range } = wanted
  const resolved = await locateAsync(range, images(reference, platform, job))
  const image = imageFromConfig(resolved.config)
  checkPlatform(wanted, image, scope)
  const op = { kind: 'image', reference, manifest: resolved.manifest, platform } as const
  return {
    ...fromImage(image, platform),
    createRoot: (state) =>
      createVertex(op, [], { name: nextStepName(state, `FROM ${reference}`), source: range }),
    isStep: true,
  }
}

function checkPlatform(
  { reference, platform, range }: WantedImage,
  image: ImageState,
  scope: PlanScope,
): void {
  const { os, architecture, variant } = image.platform
  if (os === platform.os && architecture === platform.architecture) return
  const actual = formatPlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) })
  scope.lint.report('InvalidBaseImagePlatform', range, reference, actual, formatPlatform(platform))
}
