import type { HttpFailure } from '../http/http-failure.ts'

/** What helps against a push that is refused, where registries refuse pushes in a way of their own. */
export function pushHint(
  failure: HttpFailure,
  { credentials }: { readonly credentials: string },
): string | undefined {
  const { status, text, problems } = failure
  const said = [text, ...problems.map(({ code, message }) => `${code} ${message ?? ''}`)].join(' ')
  if (status === 507 || (status < 500 && /quota/i.test(said)) || status === 412)
    return 'The project, the account or the disk of the registry is full: remove images there, or ask for a larger quota.'
  if (status === 405)
    return 'The registry takes no pushes: it is read-only, or a mirror of another registry. Push to that one.'
  if (status === 404 && /NAME_UNKNOWN|not found|not exist/i.test(said))
    return `The repository or its project does not exist, and this registry does not make it for a push: create it first. ${credentials}`
  if (status === 403 && /DENIED/i.test(said))
    return `These credentials may not push there; or the repository or its project does not exist. ${credentials}`
  return undefined
}
