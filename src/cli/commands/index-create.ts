import type { Api } from '../api.ts'
import type { Host } from '../host.ts'
import type { IndexCreateFlags } from '../image-option-table.ts'
import { parseAnnotations } from '../key-values.ts'
import { type MoveOutcome, moveOptions, runMove } from './move.ts'

interface IndexCreateCommand {
  readonly positionals: readonly string[]
  readonly flags: IndexCreateFlags
}

/** `ossb index create DST SRC…`. Answers the exit status. */
export async function runIndexCreate(
  { positionals, flags }: IndexCreateCommand,
  host: Host,
  api: Api,
): Promise<number> {
  const [destination = '', ...sources] = positionals
  const options = {
    destination,
    sources,
    append: flags.append,
    replace: flags.replace,
    annotations: parseAnnotations(flags.annotation),
    imageFormat: flags['image-format'] ?? 'oci',
    ...moveOptions(flags, host),
  } as const
  return await runMove(flags, host, async (job): Promise<MoveOutcome> => {
    const result = await api.createIndex(options, job)
    return {
      digest: result.descriptor.digest,
      summary: [
        `Created an index of ${result.platforms.join(', ')}`,
        `  digest  ${result.descriptor.digest}`,
        ...result.names.map((name) => `  name    ${name}`),
      ],
      result,
    }
  })
}
