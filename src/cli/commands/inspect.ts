import type { BuildEvent, ImageInspection } from '../../index.ts'
import type { Api } from '../api.ts'
import { cacheDirectory } from '../cache-directory.ts'
import type { Host } from '../host.ts'
import type { InspectFlags } from '../image-option-table.ts'
import { imageText } from '../image-text.ts'
import { registryAccess } from '../registry-flags.ts'
import { usageError } from '../usage-error.ts'

interface InspectCommand {
  readonly positionals: readonly string[]
  readonly flags: InspectFlags
}

/** `ossb inspect IMAGE`. Answers the exit status. */
export async function runInspect(
  { positionals, flags }: InspectCommand,
  host: Host,
  api: Api,
): Promise<number> {
  const { environment } = host
  if (flags.raw && flags.format !== undefined)
    throw usageError('Cannot use --raw with --format', 'Give one of them.')
  const inspection = await api.inspectImage(
    {
      image: positionals[0] ?? '',
      ...(flags.platform === undefined ? {} : { platform: flags.platform }),
      referrers: flags.referrers,
      cacheDir: cacheDirectory(flags['cache-dir'], environment),
      ...registryAccess(flags, environment),
    },
    { signal: host.interruption.signal, emit: (event) => warn(event, host) },
  )
  if (flags.raw) host.stdout.write(inspection.raw)
  else if (flags.format === 'json')
    host.stdout.write(`${JSON.stringify(imageDocument(inspection), undefined, 2)}\n`)
  else host.stdout.write(`${imageText(inspection).join('\n')}\n`)
  return 0
}

function warn(event: BuildEvent, host: Host): void {
  if (event.type === 'warning') host.stderr.write(`WARN: ${event.message}\n`)
}

/** The report as JSON: what the text says, under the names of the API. */
function imageDocument({ raw: _bytes, ...report }: ImageInspection): object {
  return report
}
