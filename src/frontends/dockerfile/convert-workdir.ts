import { createVertex, type MkdirAction } from '../../graph/index.ts'
import { absolutePath, workingDirectory } from './container-path.ts'
import { dockerfileError } from './dockerfile-error.ts'
import { addHistory } from './image-state.ts'
import type { InstructionOf } from './instructions.ts'
import { expand, nextStepName, type StageState, stepText } from './stage-state.ts'

/** Linux's PATH_MAX, without the zero at the end. Relative paths join up: without a limit, many would fill the memory. */
const MAX_PATH = 4095

/** WORKDIR: a layer with the directory, unless it is the root. */
export function convertWorkdir(state: StageState, instruction: InstructionOf<'WORKDIR'>): void {
  const { image } = state
  const { range } = instruction
  const written = expand(state, instruction.value, range)
  if (!state.ownWorkdir && !written.startsWith('/'))
    state.scope.lint.report('WorkdirRelativePath', range, written)
  state.ownWorkdir = true
  const path = workingDirectory(image.workingDir ?? '/', written)
  if (path.length > MAX_PATH)
    throw dockerfileError(`the working directory is longer than ${MAX_PATH} characters`)
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
