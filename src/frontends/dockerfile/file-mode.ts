import { dockerfileError } from './dockerfile-error.ts'

const CLAUSE = /^[ugoa]*(?:[-+=](?:[ugo]|[rwxXst]*))+$/

/** Checks a --chmod: octal up to 7777, or a symbolic list as chmod(1) takes it. */
export function checkFileMode(mode: string): string {
  if (/^\d/.test(mode) ? !/^0*[0-7]{1,4}$/.test(mode) : !mode.split(',').every(isClause)) {
    throw dockerfileError(
      `invalid chmod parameter: '${mode}'. it should be octal string and between 0 and 07777`,
    )
  }
  return mode
}

/** Longer clauses say nothing more; the limit keeps the match short. */
function isClause(text: string): boolean {
  return text.length <= 64 && CLAUSE.test(text)
}

/** The number that an octal mode is; undefined for a symbolic one. */
export function octalMode(mode: string): number | undefined {
  return /^[0-7]+$/.test(mode) ? Number.parseInt(mode, 8) : undefined
}
