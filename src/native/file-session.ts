import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { chmodSync, lchownSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { type FileEntry, fileSystemError, type Job, OssbError } from '../core/index.ts'
import {
  type FileOperation,
  type FileOperationResult,
  type MountOperation,
  nameOperation,
  requestOfMount,
  requestOfOperation,
} from './file-operation.ts'
import { type Answer, createAnswerReader, encodeRequests, type Request } from './file-protocol.ts'
import { helperEnvironment, type NativeHelper } from './helper.ts'
import { hasOneId, withRecordedOwner } from './recorded-owner.ts'
import { errnoName, systemError } from './system-error.ts'

export type { FileOperation, FileOperationResult, MountOperation } from './file-operation.ts'

/**
 * A co-process that does file operations, holds locks and makes mounts. What it holds ends with it, and it ends with
 * this process. Paths are the caller's to resolve: only the last component is never followed.
 */
export interface FileSession extends AsyncDisposable {
  /** This process has one id only: the owners of files are on record beside them, and only this session knows them. */
  readonly recordsOwners: boolean
  /** What the name of a tree that is kept ends with: trees with other records are of no use to this session. */
  readonly treeSuffix: string
  /**
   * Gives a file to an owner: at once, or by the operations that it answers, which are for one of the next batches.
   * Links are not followed. Only the first way takes set-id bits away: set the mode afterwards.
   */
  chown(path: string, owner: { readonly uid: number; readonly gid: number }): readonly FileOperation[]
  /** Gives a file a mode, likewise. A link is followed. */
  chmod(path: string, mode: number): readonly FileOperation[]
  /** What was read of a file, with the owner that is on record, and as the device that an empty file stands for. */
  recorded(entry: FileEntry, path: string, job: Job): Promise<FileEntry>
  /**
   * Does the operations in order.
   * @throws OssbError ERR_OSSB_FILESYSTEM or ERR_OSSB_NO_SPACE for the first that failed and is not `optional`;
   *   those after it were done all the same
   */
  batch(operations: readonly FileOperation[], job: Job): Promise<readonly FileOperationResult[]>
  /**
   * Takes an advisory lock on a file, which is created where it is missing. Disposing releases it.
   * @returns undefined where `wait` is false and another holds the lock
   */
  lock(
    path: string,
    mode: 'shared' | 'exclusive',
    options: { readonly wait: boolean },
    job: Job,
  ): Promise<AsyncDisposable | undefined>
  /** The user namespace that it works in, as a path that other processes of this user can open; starts it. */
  userNamespace(): string
  /** Mounts; disposing unmounts, at once for new users and for good when the last old one is gone. */
  mount(mount: MountOperation, job: Job): Promise<AsyncDisposable>
}

/**
 * Starts nothing yet: the co-process comes with the first operation.
 * @param namespace `own`: the session works in a user namespace (all ids as they are) and a mount namespace of its own
 */
export function openFileSession(helper: NativeHelper, namespace: 'shared' | 'own' = 'shared'): FileSession {
  return new CoProcess(helper, namespace)
}

const LOCK_RETRY_FIRST = 10
const LOCK_RETRY_LAST = 250

const DONE: FileOperationResult = { ok: true, value: Buffer.alloc(0) }

/** Requests that were sent together, and the answers to them so far. */
interface Pending {
  readonly count: number
  readonly answers: Answer[]
  resolve(answers: readonly Answer[]): void
  reject(error: unknown): void
}

class CoProcess implements FileSession {
  readonly recordsOwners: boolean
  readonly treeSuffix: string
  readonly #helper: NativeHelper
  readonly #args: readonly string[]
  readonly #pending: Pending[] = []
  #child: ChildProcessByStdio<Writable, Readable, null> | undefined
  #closed: Promise<void> = Promise.resolve()
  #failure: OssbError | undefined

  constructor(helper: NativeHelper, namespace: 'shared' | 'own') {
    this.#helper = helper
    this.recordsOwners = helper.recordsModes === true || hasOneId()
    this.treeSuffix = helper.recordsModes === true ? '.traced' : this.recordsOwners ? '.recorded' : ''
    this.#args = namespace === 'own' ? ['fsop', 'own-namespace'] : ['fsop']
  }

  async batch(operations: readonly FileOperation[], job: Job): Promise<readonly FileOperationResult[]> {
    job.signal.throwIfAborted()
    const answers = await this.#send(operations.map(requestOfOperation))
    return operations.map((operation, index) => {
      const answer = answers[index]
      if (answer === undefined || answer.errno === 0)
        return answer === undefined || answer.value.length === 0 ? DONE : { ok: true, value: answer.value }
      if (operation.optional === true) return failureOf(answer)
      throw fileSystemError(nameOperation(operation), reason(answer))
    })
  }

  chown(
    path: string,
    { uid, gid }: { readonly uid: number; readonly gid: number },
  ): readonly FileOperation[] {
    if (this.recordsOwners) return [{ type: 'chown', path, uid, gid }]
    lchownSync(path, uid, gid)
    return []
  }

  chmod(path: string, mode: number): readonly FileOperation[] {
    if (this.#helper.recordsModes === true) return [{ type: 'chmod', path, mode }]
    chmodSync(path, mode)
    return []
  }

  async recorded(entry: FileEntry, path: string, job: Job): Promise<FileEntry> {
    if (!this.recordsOwners) return entry
    const [result] = await this.batch([{ type: 'getowner', path }], job)
    return result?.ok === true ? withRecordedOwner(entry, Buffer.from(result.value)) : entry
  }

  async lock(
    path: string,
    mode: 'shared' | 'exclusive',
    options: { readonly wait: boolean },
    job: Job,
  ): Promise<AsyncDisposable | undefined> {
    let pause = LOCK_RETRY_FIRST
    for (;;) {
      job.signal.throwIfAborted()
      const answer = await this.#ask({ operation: 'L', fields: [path, mode] })
      if (answer.errno === 0) return disposable(() => this.#ask({ operation: 'U', fields: [answer.value] }))
      if (errnoName(answer.errno) !== 'EAGAIN') throw fileSystemError(`lock "${path}"`, reason(answer))
      if (!options.wait) return undefined
      await pauseFor(pause, job)
      pause = Math.min(pause * 2, LOCK_RETRY_LAST)
    }
  }

  userNamespace(): string {
    this.#child ??= this.#start()
    return `/proc/${this.#child.pid}/ns/user`
  }

  async mount(mount: MountOperation, job: Job): Promise<AsyncDisposable> {
    job.signal.throwIfAborted()
    const answer = await this.#ask(requestOfMount(mount))
    if (answer.errno !== 0) throw fileSystemError(`mount ${mount.type} on "${mount.target}"`, reason(answer))
    return disposable(async () => {
      const unmounted = await this.#ask({ operation: 'u', fields: [mount.target] })
      if (unmounted.errno !== 0) throw fileSystemError(`unmount "${mount.target}"`, reason(unmounted))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child?.stdin.end()
    await this.#closed
  }

  async #ask(request: Request): Promise<Answer> {
    const [answer] = await this.#send([request])
    if (answer === undefined) throw new OssbError('ERR_OSSB_INTERNAL', 'Cannot send an empty request')
    return answer
  }

  async #send(requests: readonly Request[]): Promise<readonly Answer[]> {
    if (requests.length === 0) return []
    this.#child ??= this.#start()
    const answered = new Promise<readonly Answer[]>((resolve, reject) =>
      this.#pending.push({ count: requests.length, answers: [], resolve, reject }),
    )
    if (this.#failure === undefined) this.#child.stdin.write(encodeRequests(requests))
    else this.#fail(this.#failure)
    return answered
  }

  #take(answer: Answer): void {
    const [first] = this.#pending
    first?.answers.push(answer)
    if (first?.answers.length !== first?.count) return
    this.#pending.shift()
    first?.resolve(first.answers)
  }

  #start(): ChildProcessByStdio<Writable, Readable, null> {
    const child = spawn(this.#helper.path, this.#args, {
      env: helperEnvironment(this.#helper),
      cwd: '/',
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const reader = createAnswerReader()
    child.stdout.on('data', (chunk: Buffer) => {
      for (const answer of reader(chunk)) this.#take(answer)
    })
    child.stdin.on('error', () => {})
    this.#closed = new Promise((resolve) => {
      const end = (cause?: unknown) => {
        this.#fail(
          new OssbError('ERR_OSSB_EXECUTOR', 'Cannot do file operations: the native helper ended', { cause }),
        )
        resolve()
      }
      child.once('error', end).once('close', () => end())
    })
    return child
  }

  #fail(failure: OssbError): void {
    this.#failure ??= failure
    for (const pending of this.#pending.splice(0)) pending.reject(this.#failure)
  }
}

/** Most files lack what is optional, and nobody asks why: the error is made only for whoever reads it. */
function failureOf(answer: Answer): FileOperationResult {
  return {
    ok: false,
    code: errnoName(answer.errno),
    get error() {
      return reason(answer)
    },
  }
}

function reason(answer: Answer): Error {
  return systemError(answer.errno, answer.value.toString())
}

async function pauseFor(milliseconds: number, job: Job): Promise<void> {
  try {
    await wait(milliseconds, undefined, { signal: job.signal })
  } catch {
    throw job.signal.reason
  }
}

/** Does `dispose` once, however often it is disposed of. */
function disposable(dispose: () => Promise<unknown>): AsyncDisposable {
  let disposed: Promise<unknown> | undefined
  return {
    async [Symbol.asyncDispose]() {
      disposed ??= dispose()
      await disposed
    },
  }
}
