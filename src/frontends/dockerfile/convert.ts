import {
  convertArg,
  convertCommand,
  convertEnv,
  convertExpose,
  convertHealthcheck,
  convertLabel,
  convertMaintainer,
  convertOnbuild,
  convertShell,
  convertStopSignal,
  convertUser,
  convertVolume,
} from './convert-metadata.ts'
import { convertRun } from './convert-run.ts'
import { convertAdd, convertCopy } from './convert-transfer.ts'
import { convertWorkdir } from './convert-workdir.ts'
import { locate } from './dockerfile-error.ts'
import type { Instruction, InstructionName, InstructionOf } from './instructions.ts'
import { checkInstruction } from './lint-checks.ts'
import type { StageState } from './stage-state.ts'

type Converters = {
  readonly [Name in InstructionName]: (state: StageState, instruction: InstructionOf<Name>) => void
}

const CONVERTERS: Converters = {
  ADD: convertAdd,
  ARG: convertArg,
  CMD: convertCommand,
  COPY: convertCopy,
  ENTRYPOINT: convertCommand,
  ENV: convertEnv,
  EXPOSE: convertExpose,
  HEALTHCHECK: convertHealthcheck,
  LABEL: convertLabel,
  MAINTAINER: convertMaintainer,
  ONBUILD: convertOnbuild,
  RUN: convertRun,
  SHELL: convertShell,
  STOPSIGNAL: convertStopSignal,
  USER: convertUser,
  VOLUME: convertVolume,
  WORKDIR: convertWorkdir,
}

/** The instructions that are steps with a name and a number. */
const STEPS: readonly InstructionName[] = ['ADD', 'COPY', 'RUN', 'WORKDIR']

export function isStep(instruction: Instruction): boolean {
  return STEPS.includes(instruction.name)
}

/** Carries one instruction out: on the config, the variables and the root file system of its stage. */
export function convertInstruction(state: StageState, instruction: Instruction): void {
  checkInstruction(state, instruction)
  // The table pairs each name with the converter of its own instruction.
  const convert = CONVERTERS[instruction.name] as (state: StageState, instruction: Instruction) => void
  locate(instruction.range, () => convert(state, instruction))
}
