import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type FileEntry, fileSystemError, type Job } from '../core/index.ts'
import { helperEnvironment, type NativeHelper } from './helper.ts'
import { createRecordCursor, createRecordSplitter } from './walk-record.ts'

/**
 * Every file below `root`, `root` itself first with the path '': a directory before what it holds, the names within a
 * directory in byte order. Symbolic links are not followed, mounts are entered. Comes in batches as the walk goes on.
 * @throws OssbError ERR_OSSB_FILESYSTEM when the tree can't be read or a name is not UTF-8, or job.signal.reason
 */
export async function* walkTree(
  helper: NativeHelper,
  root: string,
  job: Job,
): AsyncGenerator<readonly FileEntry[], void, undefined> {
  const cursor = createRecordCursor(root)
  for await (const records of walkRecords(helper, root, undefined, job)) {
    const entries: FileEntry[] = []
    cursor.load(records)
    while (cursor.next()) entries.push(cursor.entry())
    yield entries
  }
}

/**
 * The same as pieces of whole records, to be read by createRecordCursor(). Names that are not UTF-8 are let pass.
 * @param since files whose change time (nanoseconds) is not later are told without their capabilities, which is much faster
 */
export async function* walkRecords(
  helper: NativeHelper,
  root: string,
  since: bigint | undefined,
  job: Job,
): AsyncGenerator<Buffer, void, undefined> {
  job.signal.throwIfAborted()
  const child = spawn(helper.path, ['walk', root, ...(since === undefined ? [] : [String(since)])], {
    env: helperEnvironment(helper),
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const closed = closing(child)
  const stop = () => child.kill('SIGKILL')
  job.signal.addEventListener('abort', stop, { once: true })
  try {
    const splitter = createRecordSplitter(root)
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      const records = splitter.split(chunk)
      if (records.length > 0) yield records
    }
    const failure = await closed
    job.signal.throwIfAborted()
    if (!splitter.ended)
      throw fileSystemError(`read the tree "${root}"`, failure ?? new Error('the walk ended early'))
  } finally {
    job.signal.removeEventListener('abort', stop)
    stop()
    await closed
  }
}

/** Settles when the process is gone; with an error where it could not be started. */
async function closing(child: ChildProcess): Promise<unknown> {
  try {
    await once(child, 'close')
    return undefined
  } catch (error) {
    return error
  }
}
