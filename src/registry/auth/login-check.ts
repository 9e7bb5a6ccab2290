import { type Job, OssbError } from '../../core/index.ts'
import type { Endpoints } from '../endpoint.ts'
import type { Session } from '../session.ts'

/** Asks the registry itself, without a repository in mind, as a login does (distribution-spec, "Determining Support"). */
export async function checkLogin(session: Session, endpoints: Endpoints, job: Job): Promise<void> {
  const { registry } = session
  const ask = async () => {
    const target = new URL('/v2/', await endpoints.baseUrl(registry, job.signal))
    const response = await session.send({ method: 'GET', target, expect: [200], retry: 'standard' }, job)
    await response.discard()
  }
  try {
    await session.explained(`log in to "${registry}"`, ask, job)
  } catch (error) {
    if (!(error instanceof OssbError && error.code === 'ERR_OSSB_UNAUTHORIZED')) throw error
    throw new OssbError(error.code, error.message, {
      cause: error,
      hint: 'Check the user name and the password. Many registries want an access token in place of the password.',
    })
  }
}
