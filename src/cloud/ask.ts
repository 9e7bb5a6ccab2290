/** What a cloud is asked, by its documented HTTP interface. */
export interface CloudRequest {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface CloudAnswer {
  readonly status: number
  readonly text: string
}

/** Sends one request. A server that is not there within some seconds is an error. */
export type Ask = (request: CloudRequest, signal: AbortSignal) => Promise<CloudAnswer>

/** What every source of this folder works with. */
export interface CloudContext {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly ask: Ask
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** The members of a JSON answer; none where it is not an object. */
export function membersOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return value !== null && typeof value === 'object' ? { ...value } : {}
  } catch {
    return {}
  }
}

/** A member that is a text and not empty. */
export function textOf(members: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = members[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Asks where the cloud's own machines are told who they are; elsewhere nobody answers, and undefined is the answer. */
export async function askMetadata(
  request: CloudRequest,
  { ask }: CloudContext,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { status, text } = await ask(request, signal)
    return status === 200 ? text : undefined
  } catch (error) {
    if (signal.aborted) throw error
    return undefined
  }
}
