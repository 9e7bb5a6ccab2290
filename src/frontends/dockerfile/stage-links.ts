import type { PlanScope } from './stage-state.ts'
import type { Stage } from './stages.ts'

/** How the stages of a file hang together by their FROM lines and names. */
export interface StageLinks {
  /** The stage that a name means to COPY --from: of two with one name the later. */
  readonly byName: ReadonlyMap<string, Stage>
  /** The stage that a stage is built on. */
  parentOf(stage: Stage): Stage | undefined
}

export function linkStages(scope: PlanScope): StageLinks {
  const byName = new Map<string, Stage>()
  const parents = new Map<number, Stage>()
  for (const stage of scope.dockerfile.stages) {
    // Only stages above count: those below are not in the map yet.
    const parent = byName.get(scope.fromLines[stage.index]?.base.toLowerCase() ?? '')
    if (parent !== undefined) parents.set(stage.index, parent)
    if (stage.name !== undefined) byName.set(stage.name, stage)
  }
  return { byName, parentOf: (stage) => parents.get(stage.index) }
}
