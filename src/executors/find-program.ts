import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Where a program lies that this user can execute: on PATH, or in one of `others`. */
export function findProgram(
  name: string,
  environment: Readonly<Record<string, string | undefined>>,
  others: readonly string[] = [],
): string | undefined {
  const directories = [...(environment['PATH'] ?? DEFAULT_PATH).split(delimiter), ...others]
  return directories
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
