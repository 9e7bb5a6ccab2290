/**
 * The parts of undici that are needed to send a request, without the rest (fetch, WebSocket, caches, mocks), which takes
 * three times as long to load as these. Import it where a connection is made: much needs none.
 */
export { default as request } from 'undici/lib/api/api-request.js'
export { default as buildConnector } from 'undici/lib/core/connect.js'
export { default as Agent } from 'undici/lib/dispatcher/agent.js'
