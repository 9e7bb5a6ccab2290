import * as v from 'valibot'
import { type Digest, DIGEST_PATTERN } from '../../core/index.ts'
import type { HttpResponse } from './transport.ts'

/** One entry of the error document of a registry (distribution-spec, "Error Codes"). */
export interface RegistryProblem {
  readonly code: string
  readonly message?: string
  /** The digests that the entry is about, in the order in which it names them. */
  readonly digests: readonly Digest[]
}

/** An answer with a status that was not hoped for. Internal to this folder: callers see an OssbError. */
export class HttpFailure extends Error {
  readonly status: number
  readonly method: string
  /** Without its query, which may hold a signature. */
  readonly url: URL
  /** Whether the registry itself answered, or a place that it sent us to. */
  readonly from: 'registry' | 'storage'
  readonly problems: readonly RegistryProblem[]
  /** What the body said when it was no error document; at most one line. */
  readonly text: string
  readonly retryAfter: string | undefined

  constructor(
    method: string,
    response: Pick<HttpResponse, 'status' | 'url' | 'headers'>,
    body: string,
    from: HttpFailure['from'],
  ) {
    super(`${response.status} from ${response.url.host}`)
    this.name = 'HttpFailure'
    this.status = response.status
    this.method = method
    this.url = new URL(`${response.url.origin}${response.url.pathname}`)
    this.from = from
    this.problems = parseProblems(body)
    this.text = this.problems.length > 0 ? '' : firstLine(body, response.headers('content-type')[0] ?? '')
    this.retryAfter = response.headers('retry-after')[0]
  }
}

const ERROR_BYTES = 64 * 1024

/** Reads an answer that is a failure; of its body no more than 64 KiB, and no error in reading it counts. */
export async function readFailure(
  method: string,
  response: HttpResponse,
  from: HttpFailure['from'] = 'registry',
): Promise<HttpFailure> {
  const parts: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      parts.push(chunk)
      size += chunk.length
      if (size >= ERROR_BYTES) break
    }
  } catch {
    // The status is known; half a message is better than another error in its place.
  }
  const body = Buffer.concat(parts).toString('utf8').slice(0, ERROR_BYTES)
  return new HttpFailure(method, response, body, from)
}

const errorDocument = v.object({
  errors: v.array(
    v.object({ code: v.string(), message: v.nullish(v.string()), detail: v.optional(v.unknown()) }),
  ),
})

function parseProblems(body: string): readonly RegistryProblem[] {
  try {
    const parsed = v.safeParse(errorDocument, JSON.parse(body))
    if (!parsed.success) return []
    return parsed.output.errors.map(({ code, message, detail }) => ({
      code: oneLine(code),
      ...(message ? { message: oneLine(message) } : {}),
      digests: digestsIn(`${message ?? ''} ${JSON.stringify(detail ?? '')}`),
    }))
  } catch {
    return []
  }
}

const DIGESTS = new RegExp(DIGEST_PATTERN, 'g')

/** The specification leaves open what `detail` looks like. */
function digestsIn(text: string): readonly Digest[] {
  return [...new Set(text.match(DIGESTS) ?? [])] as Digest[]
}

function firstLine(body: string, contentType: string): string {
  return contentType.includes('html') ? '' : oneLine(body.trim().split('\n', 1)[0] ?? '')
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 300)
}

const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  416: 'Range Not Satisfiable',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  507: 'Insufficient Storage',
}

/** `401 UNAUTHORIZED (authentication required) to PUT https://r.io/v2/…` */
export function describeFailure(failure: HttpFailure): string {
  const codes = failure.problems.map((problem) => problem.code).join(', ')
  const said = failure.problems.find((problem) => problem.message !== undefined)?.message ?? failure.text
  const name = codes || (STATUS_NAMES[failure.status] ?? '')
  const detail = said === '' ? '' : ` (${said})`
  return `${failure.status}${name === '' ? '' : ` ${name}`}${detail} to ${failure.method} ${failure.url.origin}${failure.url.pathname}`
}
