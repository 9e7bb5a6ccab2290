/** An answer; its body may be read once. */
export interface HttpAnswer {
  readonly status: number
  /** All values of a header; `name` in lower case. */
  headers(name: string): readonly string[]
  readonly body: AsyncIterable<Uint8Array>
  discard(): Promise<void>
}

/** Sends one request, through the proxies and with the authorities that the user has set up; follows no redirect. */
export interface HttpClient {
  send(request: {
    readonly method: 'GET'
    readonly url: URL
    readonly headers: Readonly<Record<string, string>>
    readonly signal: AbortSignal
  }): Promise<HttpAnswer>
}
