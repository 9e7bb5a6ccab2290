import type { DoctorReport } from '../../index.ts'
import type { Api } from '../api.ts'
import { cacheDirectory } from '../cache-directory.ts'
import type { Host } from '../host.ts'
import type { DoctorFlags } from '../option-table.ts'

/** `ossb doctor`: 0 where an executor can be used, else 1. */
export async function runDoctor(flags: DoctorFlags, host: Host, api: Api): Promise<number> {
  const report = await api.doctor(
    {
      cacheDir: cacheDirectory(flags['cache-dir'], host.environment),
      executor: flags.executor ?? 'auto',
      environment: host.environment,
    },
    { signal: host.interruption.signal, emit: () => undefined },
  )
  const text = flags.format === 'json' ? JSON.stringify(report, undefined, 2) : doctorText(report)
  host.stdout.write(`${text}\n`)
  return report.chosen === undefined ? 1 : 0
}

/** The report for a person: facts, executors, the choice, and what would make it better. */
function doctorText(report: DoctorReport): string {
  return [
    'This environment',
    ...table(report.facts.map(({ name, ok, detail, remedy }) => ({ name, ok, text: detail, remedy }))),
    '',
    'Executors',
    ...table(
      report.executors.map(({ name, variant, usable, reason, remedy }) => ({
        name: variant === undefined ? name : `${name} (${variant})`,
        ok: usable,
        text: `${usable ? 'can be used' : 'cannot be used'}${usable && reason === undefined ? '' : `: ${reason ?? 'no reason given'}`}`,
        remedy,
      })),
    ),
    '',
    'Rungs of isolation, the strongest first',
    ...table(
      report.rungs.map(({ number, name, usable, reason, remedy }) => ({
        name: `${number} ${name}`,
        ok: usable,
        text: usable ? 'can be used' : `cannot be used: ${reason ?? 'no reason given'}`,
        remedy,
      })),
    ),
    '',
    `${chosenText(report)}: ${report.because}`,
    ...openText(report),
    ...(report.better.length === 0 ? [] : ['', 'What would be better']),
    ...report.better.map((advice) => `  - ${advice}`),
  ].join('\n')
}

function chosenText({ chosen, executors }: DoctorReport): string {
  if (chosen === undefined) return 'No executor can be used'
  const variant = executors.find(({ name }) => name === chosen)?.variant
  return `Builds use "${chosen}"${variant === undefined ? '' : ` (${variant})`}`
}

function openText({ rung, rungs }: DoctorReport): readonly string[] {
  const open = rungs.find(({ number }) => number === rung)?.cannotPrevent ?? []
  return open.length === 0
    ? []
    : ['', `What rung ${rung} does not keep a RUN from`, ...open.map((what) => `  - ${what}`)]
}

interface Row {
  readonly name: string
  readonly ok: boolean
  readonly text: string
  readonly remedy: string | undefined
}

function table(rows: readonly Row[]): readonly string[] {
  const width = Math.max(0, ...rows.map(({ name }) => name.length))
  return rows.flatMap(({ name, ok, text, remedy }) => [
    `  ${ok ? 'yes' : 'no '}  ${name.padEnd(width)}  ${text}`.trimEnd(),
    ...(remedy === undefined ? [] : [`${' '.repeat(width + 9)}-> ${remedy}`]),
  ])
}
