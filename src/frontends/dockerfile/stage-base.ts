import { formatPlatform, type Platform, type SourceRange } from '../../core/index.ts'
import {
  type CopyAction,
  createVertex,
  type FileOp,
  type NamedContext,
  type Vertex,
} from '../../graph/index.ts'
import { contextVertex, findNamedContext } from './contexts.ts'
import { addHistory, type ImageState, imageFromConfig, scratchImage } from './image-state.ts'
import { itemsOf } from './linked-list.ts'
import { locateAsync, type Planning, scratchVertex } from './planning.ts'
import { fromLineOf, nextStepName, type PlanScope, type StageState, type StepNaming } from './stage-state.ts'
import type { Stage } from './stages.ts'
import { createVariables } from './variables.ts'

/** What a stage begins with: all of it is the stage's own to change. */
export interface Base extends Pick<StageState, 'image' | 'env' | 'declared' | 'platform' | 'ownWorkdir'> {
  /** The root file system; named as a step of the stage, where the stage itself brings it in. */
  createRoot(state: StepNaming): Vertex
  readonly isStep: boolean
}

/** Finds out what FROM names, and resolves it. */
export async function resolveBase(stage: Stage, planning: Planning): Promise<Base> {
  const { scope, links } = planning
  const { base: name, platform } = fromLineOf(stage, scope)
  const context = findNamedContext(scope.input, name, platform)
  if (context !== undefined)
    return await contextBase(context, { name, platform, range: stage.range }, planning)
  if (name === 'scratch') return emptyBase(platform, scratchVertex)
  const parent = links.parentOf(stage)
  if (parent === undefined) return imageBase({ reference: name, platform, range: stage.range }, planning)
  return stageBase(await planning.stage(parent))
}

/** Copies that share what they have in common: a file can have many stages, and each of them many variables. */
function stageBase(parent: StageState): Base {
  const { image, env, declared, platform, ownWorkdir, vertex } = parent
  return {
    image: { ...image },
    env: env.copy(),
    declared: declared.copy(),
    platform,
    ownWorkdir,
    createRoot: () => vertex,
    isStep: false,
  }
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
  const env = createVariables(itemsOf(image.env))
  return { image, env, declared: createVariables(), platform, ownWorkdir: false }
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
  checkImagePlatform(wanted, image.platform, scope)
  const op = { kind: 'image', reference, manifest: resolved.manifest, platform } as const
  return {
    ...fromImage(image, platform),
    createRoot: (state) =>
      createVertex(op, [], { name: nextStepName(state, `FROM ${reference}`), source: range }),
    isStep: true,
  }
}

/** An image for another operating system or architecture than was asked for. */
export function checkImagePlatform(
  { reference, platform, range }: WantedImage,
  { os, architecture, variant }: Pick<Platform, 'os' | 'architecture'> & { readonly variant?: string },
  { lint }: PlanScope,
): void {
  if (os === platform.os && architecture === platform.architecture) return
  const actual = formatPlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) })
  lint.report('InvalidBaseImagePlatform', range, reference, actual, formatPlatform(platform))
}
