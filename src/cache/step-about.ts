import { createHash } from 'node:crypto'
import * as v from 'valibot'
import { canonicalJson, type Digest, isDigest } from '../core/index.ts'

/** What the key of a step was made of: kept beside its result, to say later in what another one differs. */
export interface StepAbout {
  /** For people: "[build 2/5] RUN make". */
  readonly name: string
  /** The operation, as plain data. */
  readonly op: Readonly<Record<string, unknown>>
  readonly inputs: readonly StepInput[]
  /** What else counts, for all steps of a build: how layers are compressed, and so on. */
  readonly settings: Readonly<Record<string, unknown>>
}

export interface StepInput {
  readonly name: string
  /** Of its definition, or of what the step reads of it. */
  readonly digest: Digest
}

const digest = v.custom<Digest>((value) => typeof value === 'string' && isDigest(value))
const plain = v.record(v.string(), v.unknown())

export const aboutSchema: v.GenericSchema<unknown, StepAbout> = v.object({
  name: v.string(),
  op: plain,
  inputs: v.array(v.object({ name: v.string(), digest })),
  settings: plain,
})

/** The same for others to read: values of variables, which may be arguments of the build, as digests. */
export function withoutValues(about: StepAbout): StepAbout {
  const { env } = about.op
  return Array.isArray(env) ? { ...about, op: { ...about.op, env: env.map(withoutValue) } } : about
}

function withoutValue(variable: unknown): string {
  const text = String(variable)
  const equals = text.indexOf('=')
  return equals === -1 ? text : `${text.slice(0, equals)}=${hashed(text.slice(equals + 1))}`
}

function hashed(value: string): string {
  return value.startsWith('#') ? value : `#${createHash('sha256').update(value).digest('hex').slice(0, 12)}`
}

/** How alike two steps are; 0 is not at all. */
export function likeness(one: StepAbout, other: StepAbout): number {
  if (one.op['kind'] !== other.op['kind']) return 0
  const isSameOp = canonicalJson(one.op) === canonicalJson(other.op)
  const isSamePlace = placeOf(one.name) === placeOf(other.name)
  return (isSameOp ? 4 : 0) + (one.name === other.name ? 2 : 0) + (isSamePlace ? 1 : 0)
}

function placeOf(name: string): string {
  return /^\[[^\]]*\]/.exec(name)?.[0] ?? name
}

/** In what a step differs from an earlier one, each difference as one line; none where it does not. */
export function differences(before: StepAbout, after: StepAbout): readonly string[] {
  const inputs = Math.max(before.inputs.length, after.inputs.length)
  return [
    ...changes(before.op, after.op),
    ...changes(before.settings, after.settings),
    ...Array.from({ length: inputs }, (_none, i) => inputChange(before.inputs[i], after.inputs[i])).flat(),
  ]
}

function inputChange(before: StepInput | undefined, after: StepInput | undefined): readonly string[] {
  if (before === undefined || after === undefined)
    return [`${(before ?? after)?.name ?? 'an input'} ${before === undefined ? 'is new' : 'is gone'}`]
  if (before.digest === after.digest) return []
  const name = before.name === after.name ? after.name : `${before.name}, now ${after.name},`
  return [`${name} changed: ${short(before.digest)} → ${short(after.digest)}`]
}

function short(digest: string): string {
  return digest.slice(0, 'sha256:'.length + 12)
}

type Plain = Readonly<Record<string, unknown>>

function changes(before: Plain, after: Plain): readonly string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return keys.flatMap((key) => memberChanges(key, before[key], after[key]))
}

function memberChanges(name: string, before: unknown, after: unknown): readonly string[] {
  if (canonicalJson(before ?? null) === canonicalJson(after ?? null)) return []
  if (name === 'env' && Array.isArray(before) && Array.isArray(after)) return variableChanges(before, after)
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length)
    return before.flatMap((member: unknown, i) => memberChanges(`${name}[${i}]`, member, after[i]))
  if (isPlain(before) && isPlain(after)) return changes(before, after).map((change) => `${name}.${change}`)
  return [`${name}: ${shown(before)} → ${shown(after)}`]
}

function isPlain(value: unknown): value is Plain {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function variableChanges(before: readonly unknown[], after: readonly unknown[]): readonly string[] {
  const [old, now] = [variablesOf(before), variablesOf(after)]
  const changed = [...new Set([...old.keys(), ...now.keys()])].flatMap((name) => {
    const [was, is] = [old.get(name), now.get(name)]
    // Another machine tells a digest of the value only.
    if (was === is || (was !== undefined && is !== undefined && hashed(was) === hashed(is))) return []
    return [`variable ${name}: ${shown(was)} → ${shown(is)}`]
  })
  return changed.length === 0 && [...old.keys()].join() !== [...now.keys()].join()
    ? ['the order of the variables']
    : changed
}

function variablesOf(env: readonly unknown[]): ReadonlyMap<string, string> {
  return new Map(
    env.map((variable): [string, string] => {
      const text = String(variable)
      const equals = text.indexOf('=')
      return equals === -1 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)]
    }),
  )
}

const SHOWN = 100

function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
}
