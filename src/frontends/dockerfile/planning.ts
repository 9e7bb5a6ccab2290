import { type Job, type SourceRange, withSource } from '../../core/index.ts'
import { type ConfigResolver, createVertex, type Vertex } from '../../graph/index.ts'
import type { StageLinks } from './stage-links.ts'
import type { PlanScope, StageState } from './stage-state.ts'
import type { Stage } from './stages.ts'

/** What planning one stage needs: all that stages share, the images, and the other stages. */
export interface Planning {
  readonly scope: PlanScope
  /** Finds base images. */
  readonly images: ConfigResolver
  /** Finds images that files are taken from: of those only the files count. */
  readonly sourceImages: ConfigResolver
  readonly job: Job
  readonly links: StageLinks
  /** Carries a stage out, once. */
  stage(stage: Stage): Promise<StageState>
}

const SCRATCH = createVertex({ kind: 'scratch' }, [], { name: 'scratch' })

export function scratchVertex(): Vertex {
  return SCRATCH
}

/** The result of `work`; an error that names no place gets `range`. */
export async function locateAsync<T>(range: SourceRange, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw withSource(error, range)
  }
}
