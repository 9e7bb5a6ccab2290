import { createVertex, type MkdirAction } from '../../graph/index.ts'
import { absolutePath, workingDirectory } from './container-path.ts'
import { addHistory } from './image-state.ts'
import type { InstructionOf } from './instructions.ts'
import { expand, nextStepName, type StageState, stepText } from './stage-state.ts'

/** WORKDIR: a layer with the directory, unless it is the root. */
export function convertWorkdir(state: StageState, instruction: InstructionOf<'WORKDIR'>): void {
  const { image } = state
  const { range } = instruction
  const written = expand(state, instruction.value, range)
  if (!state.ownWorkdir && !written.startsWith('/'))
    state.scope.lint.report('WorkdirRelativePath', range, written)
  state.ownWorkdir = true
  const path = workingDirectory(image.workingDir ?? '/', written)
  image.workingDir = path
  const name = nextStepName(state, stepText(instruction))
  if (path !== '/') {
    const { time } = state.scope
    const actions = [mkdir(path, image.user)]
    const op = { kind: 'file', actions, ...(time === undefined ? {} : { time }) } as const
    state.vertex = createVertex(op, [state.vertex], { name, source: range })
  }
  addHistory(image, `WORKDIR ${path}`, path === '/' ? 'empty' : 'layer')
}

function mkdir(path: string, user: string | undefined): MkdirAction {
  return {
    type: 'mkdir',
    path: absolutePath('/', path),
    mode: 0o755,
    ...(user === undefined || user === '' ? {} : { owner: user }),
  }
}
