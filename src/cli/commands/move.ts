import type { CopyImageOptions, Job, OssbError, RegistryAccess } from '../../index.ts'
import { cacheDirectory } from '../cache-directory.ts'
import { errorReport } from '../error-report.ts'
import { exitCodeOf } from '../exit-code.ts'
import type { Host } from '../host.ts'
import type { CopyFlags } from '../image-option-table.ts'
import type { RegistryFlags } from '../option-table.ts'
import { openProgress, type Progress } from '../progress/progress.ts'
import type { ProgressState } from '../progress/reducer.ts'
import { warningText } from '../progress/wording.ts'
import { registryAccess } from '../registry-flags.ts'
import { assertWritable, writeWhole } from '../result-files.ts'
import { parseSize } from '../size.ts'
import { usageError } from '../usage-error.ts'

type MoveFlags = RegistryFlags &
  Pick<CopyFlags, 'progress' | 'quiet' | 'digest-file' | 'tag' | 'cache-dir' | 'upload-chunk-size'>

/** What became of something that was brought somewhere. */
export interface MoveOutcome {
  readonly digest: string
  /** For people: "Copied" and the like, and lines about it. */
  readonly summary: readonly string[]
  /** For programs: the members of the last JSON line. */
  readonly result: object
}

/** Runs what brings an image somewhere, with its progress, and says how it went. Answers the exit status. */
export async function runMove(
  flags: MoveFlags,
  host: Host,
  move: (job: Job) => Promise<MoveOutcome>,
): Promise<number> {
  const file = flags['digest-file']
  if (file !== undefined) await assertWritable(file)
  const progress = await openProgress({
    mode: flags.quiet ? 'quiet' : (flags.progress ?? 'auto'),
    stream: host.stderr,
    now: host.now,
    environment: host.environment,
  })
  try {
    const outcome = await move({ signal: host.interruption.signal, emit: progress.emit })
    if (file !== undefined) await writeWhole(file, outcome.digest)
    reportOutcome(outcome, { progress, state: progress.end('done') }, host)
    return 0
  } catch (error) {
    return reportFailure(error, { progress, state: progress.end('failed') }, host)
  }
}

interface Shown {
  readonly progress: Progress
  readonly state: ProgressState
}

function reportOutcome(
  { digest, summary, result }: MoveOutcome,
  { progress, state }: Shown,
  host: Host,
): void {
  if (progress.mode === 'quiet') return void host.stdout.write(`${digest}\n`)
  const time = new Date(host.now()).toISOString()
  const lines =
    progress.mode === 'json'
      ? [JSON.stringify({ time, type: 'result', ...result })]
      : [...state.warnings.map((warning) => `WARN: ${warningText(warning)}`), '', ...summary]
  for (const line of lines) host.stderr.write(`${line}\n`)
}

function reportFailure(error: unknown, { progress, state }: Shown, host: Host): number {
  const interrupted = host.interruption.exitCode()
  const exitCode = interrupted ?? exitCodeOf(error)
  if (progress.mode === 'json') {
    const { code, message, hint } = error as Partial<OssbError>
    const time = new Date(host.now()).toISOString()
    host.stderr.write(`${JSON.stringify({ time, type: 'error', exitCode, code, message, hint })}\n`)
    return exitCode
  }
  const shown: unknown = interrupted === undefined ? error : host.interruption.signal.reason
  for (const line of errorReport({ error: shown, state })) host.stderr.write(`${line}\n`)
  return exitCode
}

type MoveOptions = RegistryAccess & Pick<CopyImageOptions, 'tags' | 'cacheDir' | 'chunkBytes'>

/** The options that all commands of this kind have. @throws OssbError ERR_OSSB_USAGE */
export function moveOptions(flags: MoveFlags, { environment }: Pick<Host, 'environment'>): MoveOptions {
  const size = flags['upload-chunk-size']
  return {
    tags: flags.tag.map(checkTag),
    cacheDir: cacheDirectory(flags['cache-dir'], environment),
    ...(size === undefined ? {} : { chunkBytes: parseSize('upload-chunk-size', size) }),
    ...registryAccess(flags, environment),
  }
}

function checkTag(text: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(text)) return text
  throw usageError(
    `Cannot use "${text}" for --tag: it is not a tag (letters, digits, "_", "." and "-", at most 128)`,
    'Further tags are given at the destination; write --tag latest, without a name.',
  )
}
