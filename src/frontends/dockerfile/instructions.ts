import type { SourceRange } from '../../core/index.ts'
import type { Healthcheck } from '../../oci/index.ts'
import type { Heredoc } from './heredoc.ts'
import type { MountFields } from './mount-fields.ts'
import type { NameValue } from './word-list.ts'

/** What every instruction carries beside its own members. */
interface Placed {
  /** The keyword as written. */
  readonly keyword: string
  /** The whole line, joined. */
  readonly text: string
  readonly range: SourceRange
  /** The comment lines directly above. */
  readonly comments: readonly string[]
  /** Whether it is a deferred instruction of a base image or parent stage. */
  readonly triggered: boolean
}

/** A command in shell form (one word, for the shell) or exec form. */
export interface CommandLine {
  readonly form: 'shell' | 'exec'
  readonly words: readonly string[]
}

export interface ArgDeclaration {
  readonly name: string
  readonly defaultValue?: string
}

interface NameValueInstruction {
  readonly pairs: readonly NameValue[]
  readonly legacy: boolean
}

interface Transfer {
  readonly sources: readonly string[]
  readonly heredocs: readonly Heredoc[]
  readonly destination: string
  readonly chown?: string
  readonly chmod?: string
  readonly link: boolean
  readonly exclude: readonly string[]
}

/** The members of each instruction, by its name. FROM is no member: it makes a stage. */
export interface InstructionMembers {
  ADD: Transfer & { readonly checksum?: string; readonly keepGitDir: boolean; readonly unpack?: boolean }
  ARG: { readonly declarations: readonly ArgDeclaration[] }
  CMD: { readonly command: CommandLine }
  COPY: Transfer & { readonly from?: string; readonly parents: boolean }
  ENTRYPOINT: { readonly command: CommandLine }
  ENV: NameValueInstruction
  EXPOSE: { readonly ports: readonly string[] }
  HEALTHCHECK: { readonly healthcheck: Healthcheck }
  LABEL: NameValueInstruction
  MAINTAINER: { readonly value: string }
  ONBUILD: { readonly trigger: string }
  RUN: {
    readonly command: CommandLine
    readonly heredocs: readonly Heredoc[]
    readonly mounts: readonly MountFields[]
    readonly network: 'default' | 'none' | 'host'
    readonly security: 'sandbox' | 'insecure'
  }
  SHELL: { readonly words: readonly string[] }
  STOPSIGNAL: { readonly value: string }
  USER: { readonly value: string }
  VOLUME: { readonly paths: readonly string[] }
  WORKDIR: { readonly value: string }
}

export type InstructionName = keyof InstructionMembers

export type InstructionOf<Name extends InstructionName> = Placed & {
  readonly name: Name
} & InstructionMembers[Name]

/** Any instruction but FROM. */
export type Instruction = { [Name in InstructionName]: InstructionOf<Name> }[InstructionName]
