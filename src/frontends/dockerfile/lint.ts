import type { SourceRange } from '../../core/index.ts'
import type { CheckWarning } from '../../graph/index.ts'
import { dockerfileError } from './dockerfile-error.ts'
import { LINT_RULES, type RuleFindings, type RuleName, ruleUrl } from './lint-rules.ts'

/** Collects what the checks find; each finding is reported once, however many platforms are planned. */
export interface Lint {
  report<Rule extends RuleName>(rule: Rule, range: SourceRange, ...found: RuleFindings<Rule>): void
  /** @throws OssbError when `check=error=true` is set and something was found */
  finish(): void
}

type RuleSet = readonly string[] | 'all'

/** What `# check=` and the build argument BUILDKIT_DOCKERFILE_CHECK say. */
export interface CheckOptions {
  readonly skip: RuleSet
  readonly experimental: RuleSet
  readonly error: boolean
}

/** Reads `skip=Rule,Rule|all;error=true;experimental=…`. Nothing after the first blank counts. */
export function parseCheckOptions(text: string | undefined, range?: SourceRange): CheckOptions {
  const options = { skip: [] as RuleSet, experimental: [] as RuleSet, error: false }
  const place = range === undefined ? {} : { source: range }
  const [value = ''] = (text ?? '').trim().split(/\s/, 1)
  for (const part of value === '' ? [] : splitParts(value)) {
    const equals = part.indexOf('=')
    if (equals === -1) throw dockerfileError(`invalid check option "${part}"`, place)
    const key = part.slice(0, equals)
    const setting = part.slice(equals + 1)
    if (key === 'skip' || key === 'experimental') options[key] = ruleSet(setting)
    else if (key !== 'error') throw dockerfileError(`invalid check option "${key}"`, place)
    else if (/^(?:1|t|true)$/i.test(setting)) options.error = true
    else if (!/^(?:0|f|false)$/i.test(setting))
      throw dockerfileError(`failed to parse check option "error": invalid syntax "${setting}"`, place)
  }
  return options
}

/** Three parts at most; what comes after belongs to the third. */
function splitParts(value: string): readonly string[] {
  const [first = '', second, ...others] = value.split(';')
  return [
    first,
    ...(second === undefined ? [] : [second]),
    ...(others.length === 0 ? [] : [others.join(';')]),
  ]
}

function ruleSet(setting: string): RuleSet {
  return setting === 'all' ? 'all' : setting.split(',')
}

interface LintOptions {
  readonly checks: CheckOptions
  /** What a comment `# check=` directly above the instruction that begins on a line says for it. */
  readonly checksAt: ReadonlyMap<number, CheckOptions>
}

export function createLint({ checks, checksAt }: LintOptions, found: (warning: CheckWarning) => void): Lint {
  const seen = new Set<string>()
  const violated = new Set<string>()
  const isWanted = (rule: RuleName, line: number): boolean => {
    const all = [checks, ...(checksAt.has(line) ? [checksAt.get(line) as CheckOptions] : [])]
    if (LINT_RULES[rule].experimental === true)
      return all.some(({ experimental }) => holds(experimental, rule))
    return !all.some(({ skip }) => holds(skip, rule))
  }
  return {
    report(rule, range, ...findings) {
      if (!isWanted(rule, range.startLine)) return
      const text: (...findings: string[]) => string = LINT_RULES[rule].text
      const detail = text(...findings)
      const key = `${rule}\n${range.startLine}\n${detail}`
      if (seen.has(key)) return
      seen.add(key)
      violated.add(rule)
      const url = ruleUrl(rule)
      const { description } = LINT_RULES[rule]
      found({ rule, description, ...(url === undefined ? {} : { url }), detail, source: range })
    },
    finish() {
      if (checks.error && violated.size > 0)
        throw dockerfileError(`lint violation found for rules: ${[...violated].sort().join(', ')}`)
    },
  }
}

function holds(rules: RuleSet, rule: string): boolean {
  return rules === 'all' || rules.includes(rule)
}
