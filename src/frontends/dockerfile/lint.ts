import type { Job, SourceRange } from '../../core/index.ts'
import { dockerfileError } from './dockerfile-error.ts'
import { LINT_RULES, type RuleFindings, type RuleName } from './lint-rules.ts'

/** Collects what the checks find; each finding is reported once, however many platforms are planned. */
export interface Lint {
  report<Rule extends RuleName>(rule: Rule, range: SourceRange, ...found: RuleFindings<Rule>): void
  /** @throws OssbError when `check=error=true` is set and something was found */
  finish(): void
}

/** What `# check=` and the build argument BUILDKIT_DOCKERFILE_CHECK say. */
export interface CheckOptions {
  readonly skip: readonly string[] | 'all'
  readonly error: boolean
}

/** Reads `skip=Rule,Rule|all;error=true;experimental=…`. Nothing after the first blank counts. */
export function parseCheckOptions(text: string | undefined, range?: SourceRange): CheckOptions {
  const options = { skip: [] as readonly string[] | 'all', error: false }
  const [value = ''] = (text ?? '').trim().split(/\s/, 1)
  for (const part of value === '' ? [] : value.split(';')) {
    const [key = '', setting = ''] = part.split('=', 2).map((side) => side.trim())
    if (key === 'skip') options.skip = setting === 'all' ? 'all' : setting.split(',')
    else if (key === 'error') options.error = /^(1|t|true)$/i.test(setting)
    else if (key !== 'experimental')
      throw dockerfileError(`invalid check option ${key}`, range === undefined ? {} : { source: range })
  }
  return options
}

interface LintOptions {
  readonly checks: CheckOptions
  /** Rules that a comment `# check=skip=` above the instruction on these lines turns off. */
  readonly skippedAt: ReadonlyMap<number, CheckOptions>
}

export function createLint({ checks, skippedAt }: LintOptions, job: Job): Lint {
  const seen = new Set<string>()
  const violated = new Set<string>()
  return {
    report(rule, range, ...found) {
      const own = skippedAt.get(range.startLine)
      if (isSkipped(checks, rule) || (own !== undefined && isSkipped(own, rule))) return
      const text: (...found: string[]) => string = LINT_RULES[rule]
      const message = text(...found)
      const key = `${rule}\n${range.startLine}\n${message}`
      if (seen.has(key)) return
      seen.add(key)
      violated.add(rule)
      job.emit({ type: 'warning', rule, message, source: range })
    },
    finish() {
      if (checks.error && violated.size > 0)
        throw dockerfileError(`lint violation found for rules: ${[...violated].sort().join(', ')}`)
    },
  }
}

function isSkipped({ skip }: CheckOptions, rule: string): boolean {
  return skip === 'all' || skip.some((name) => name.toLowerCase() === rule.toLowerCase())
}
