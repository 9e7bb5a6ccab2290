import { readFileSync, statSync } from 'node:fs'
import { fileSystemError, OssbError } from '../core/index.ts'

/** Where the value of a secret is: in a file, or in a variable of the caller's environment. */
export type SecretSource = ({ readonly file: string } | { readonly env: string }) & {
  readonly id: string
  readonly hiddenFromRuns?: boolean
}

/** The secrets of a build, by id. */
export interface Secrets {
  /** Undefined where the caller gave none of this id. */
  read(id: string): Uint8Array | undefined
  /** Those that a RUN may have. */
  readonly forRuns: Pick<Secrets, 'read'>
}

const LARGEST = 500 * 1024

/**
 * Looks at the files now, so that a build does not fail at its end, and reads each when it is needed: a value is never
 * kept. A variable that is not set is an empty secret.
 * @throws OssbError ERR_OSSB_USAGE or ERR_OSSB_FILESYSTEM naming the secret, never its value
 */
export function openSecrets(
  sources: readonly SecretSource[],
  environment: Readonly<Record<string, string | undefined>>,
): Secrets {
  for (const source of sources) if ('file' in source) checkFile(source)
  const byId = new Map(sources.map((source) => [source.id, source]))
  const read = (id: string) => {
    const source = byId.get(id)
    return source === undefined ? undefined : limited(id, valueOf(source, environment))
  }
  return { read, forRuns: { read: (id) => (byId.get(id)?.hiddenFromRuns === true ? undefined : read(id)) } }
}

function checkFile({ id, file }: Extract<SecretSource, { file: string }>): void {
  const stats = ofSecret(id, () => statSync(file))
  if (!stats.isFile() && !stats.isFIFO() && !stats.isCharacterDevice())
    throw new OssbError('ERR_OSSB_USAGE', `Cannot read the secret "${id}": "${file}" is not a file`)
  if (stats.size > LARGEST) throw tooBig(id)
}

function valueOf(
  source: SecretSource,
  environment: Readonly<Record<string, string | undefined>>,
): Uint8Array {
  if ('env' in source) return Buffer.from(environment[source.env] ?? '')
  return ofSecret(source.id, () => readFileSync(source.file))
}

function ofSecret<T>(id: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw fileSystemError(`read the secret "${id}"`, error)
  }
}

function limited(id: string, value: Uint8Array): Uint8Array {
  if (value.length > LARGEST) throw tooBig(id)
  return value
}

function tooBig(id: string): OssbError {
  return new OssbError('ERR_OSSB_USAGE', `Cannot use the secret "${id}": it is too big; at most 500 KiB`)
}
