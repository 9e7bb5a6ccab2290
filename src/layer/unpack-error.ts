import { errnoOf, OssbError } from '../core/index.ts'
import { writeError } from '../io/index.ts'
import type { TarHeader } from './tar-header.ts'

/** What went wrong with an entry, where it does not say so itself. */
export function unpackError(error: unknown, header: TarHeader, root: string): unknown {
  if (error instanceof OssbError) return error
  const isOwner = error instanceof Error && 'syscall' in error && String(error.syscall).includes('chown')
  if (errnoOf(error) !== 'EINVAL' || !isOwner)
    return writeError(error, { action: `unpack "${header.path}"`, path: root, size: header.size })
  return new OssbError(
    'ERR_OSSB_FILESYSTEM',
    `Cannot unpack "${header.path}": its owner ${header.uid}:${header.gid} is outside of the id range of this user`,
    {
      cause: error,
      hint: 'Give the user a larger range in /etc/subuid and /etc/subgid (usermod --add-subuids FIRST-LAST --add-subgids FIRST-LAST USER).',
    },
  )
}
