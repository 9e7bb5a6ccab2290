import { mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type BuildResult, type Job, OssbError } from '../../index.ts'
import type { Api } from '../api.ts'
import { writeWhole } from '../result-files.ts'
import type { Destination } from './destination.ts'
import type { ExecutorRequest } from './request.ts'
import type { Environment } from './values.ts'

/**
 * Writes what was asked for about the image, in kaniko's form: a digest without a line end, one line for each
 * destination, and for Cloud Build a JSON object for each.
 */
export async function writeResultFiles(
  { files, destinations }: Pick<ExecutorRequest, 'files' | 'destinations'>,
  { descriptor: { digest } }: Pick<BuildResult, 'descriptor'>,
  { api, environment }: { readonly api: Api; readonly environment: Environment },
  job: Job,
): Promise<void> {
  const lines = (line: (destination: Destination) => string) =>
    destinations.map((destination) => `${line(destination)}\n`).join('')
  const write = async (place: string | undefined, text: string) => {
    if (place === undefined) return
    if (place.startsWith('https://')) await api.putText({ url: place, text, environment }, job)
    else await writeText(place, text)
  }
  await write(files.digest, digest)
  await write(
    files.nameWithDigest,
    lines(({ repository }) => `${repository}@${digest}`),
  )
  await write(
    files.nameTagWithDigest,
    lines(({ repository, tag }) => `${repository}:${tag}@${digest}`),
  )
  if (files.builderOutput !== undefined)
    await write(
      join(files.builderOutput, 'images'),
      lines(({ repository, tag }) => JSON.stringify({ name: `${repository}:${tag}`, digest })),
    )
}

/** `/dev/stdout` and `/dev/termination-log` are written to as they are; a file is there whole or not at all. */
async function writeText(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const existing = await stat(path).catch(() => undefined)
    if (existing !== undefined && !existing.isFile()) return await writeFile(path, text)
  } catch (error) {
    throw new OssbError('ERR_OSSB_OUTPUT', `Cannot write "${path}": ${(error as Error).message}`, {
      cause: error,
    })
  }
  await writeWhole(path, text)
}
