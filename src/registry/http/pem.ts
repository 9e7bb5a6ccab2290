import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The certificates of a PEM text, one by one, so that the same one in two bundles is loaded once. */
export function certificatesIn(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
}

/** The files of a directory that may not be there, in the order of their names. */
export async function filesIn(directory: string, wanted: RegExp): Promise<readonly string[]> {
  try {
    const names = await readdir(directory)
    return names
      .filter((name) => wanted.test(name))
      .sort()
      .map((name) => join(directory, name))
  } catch {
    return []
  }
}

export async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return ''
  }
}
