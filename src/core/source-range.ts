/** Lines of a text file, both ends included, counted from 1. */
export interface SourceRange {
  readonly file: string
  readonly startLine: number
  readonly endLine: number
}
