/** A file that the frontend read, so that errors can show its lines. */
export interface SourceFile {
  readonly name: string
  readonly text: string
}
