import type { Agent, buildConnector, Dispatcher } from 'undici'

/** The parts of undici that are needed to send a request. */
export interface Undici {
  readonly Agent: typeof Agent
  readonly buildConnector: typeof buildConnector
  readonly request: (this: Dispatcher, options: Dispatcher.RequestOptions) => Promise<Dispatcher.ResponseData>
}

/** Without the rest (fetch, WebSocket, caches, mocks), which would take three times as long to load as these. */
export async function loadUndici(): Promise<Undici> {
  const [{ default: Agent }, { default: buildConnector }, { default: request }] = await Promise.all([
    import('undici/lib/dispatcher/agent.js'),
    import('undici/lib/core/connect.js'),
    import('undici/lib/api/api-request.js'),
  ])
  return { Agent, buildConnector, request }
}
