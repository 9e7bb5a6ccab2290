/** Lines of a text file, both ends included, counted from 1. */
export interface SourceRange {
  readonly file: string
  readonly startLine: number
  readonly endLine: number
  /** The whole text of the file, where the range leaves the program that has read it. */
  readonly text?: string
}
