import type { Api } from '../api.ts'
import type { Host } from '../host.ts'
import type { CopyFlags } from '../image-option-table.ts'
import { usageError } from '../usage-error.ts'
import { type MoveOutcome, moveOptions, runMove } from './move.ts'

interface CopyCommand {
  readonly positionals: readonly string[]
  readonly flags: CopyFlags
}

/** `ossb copy SRC DST`. Answers the exit status. */
export async function runCopy({ positionals, flags }: CopyCommand, host: Host, api: Api): Promise<number> {
  const [source = '', destination = ''] = positionals
  const platforms = platformsOf(flags)
  const options = { source, destination, platforms, referrers: flags.referrers, ...moveOptions(flags, host) }
  return await runMove(flags, host, async (job): Promise<MoveOutcome> => {
    const result = await api.copyImage(options, job)
    return {
      digest: result.descriptor.digest,
      summary: [
        `Copied ${source}`,
        `  digest     ${result.descriptor.digest}`,
        ...result.names.map((name) => `  to         ${name}`),
        ...(flags.referrers ? [`  referrers  ${result.referrers}`] : []),
      ],
      result,
    }
  })
}

function platformsOf({ all, platform }: CopyFlags): readonly string[] | 'all' {
  const platforms = platform.flatMap((text) => text.split(',')).map((text) => text.trim())
  if (!all) return platforms
  if (platforms.length === 0) return 'all'
  throw usageError('Cannot use --all with --platform', 'Give one of them.')
}
