import { readFileSync } from 'node:fs'
import * as v from 'valibot'
import type { Job } from '../core/index.ts'
import { writeFileAtomic } from '../io/index.ts'
import type { FileSession } from '../native/index.ts'
import type { StorePaths } from '../store/index.ts'

/** How many steps were found in a cache, and how many had to be carried out: RUN (`exec`) and all others (`file`). */
export interface Tally {
  readonly hits: StepCounts
  readonly misses: StepCounts
}

export interface StepCounts {
  readonly exec: number
  readonly file: number
}

const counts = v.object({ exec: v.number(), file: v.number() })
const tally = v.object({ hits: counts, misses: counts })

const NONE: Tally = { hits: { exec: 0, file: 0 }, misses: { exec: 0, file: 0 } }

/** What all builds in a cache directory came to; nothing where there was none. */
export function readTally(paths: StorePaths): Tally {
  try {
    const parsed = v.safeParse(tally, JSON.parse(readFileSync(paths.tally, 'utf8')))
    return parsed.success ? parsed.output : NONE
  } catch {
    return NONE
  }
}

export async function addToTally(
  more: Tally,
  paths: StorePaths,
  session: FileSession,
  job: Job,
): Promise<void> {
  await using _lock = await session.lock(`${paths.tally}.lock`, 'exclusive', { wait: true }, job)
  const before = readTally(paths)
  const sum = (a: StepCounts, b: StepCounts) => ({ exec: a.exec + b.exec, file: a.file + b.file })
  writeFileAtomic(
    paths.tally,
    JSON.stringify({ hits: sum(before.hits, more.hits), misses: sum(before.misses, more.misses) }),
    { isKept: false },
  )
}
