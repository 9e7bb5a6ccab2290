import { FatalError } from './command-error.ts'

/**
 * `--custom-platform OS/ARCH[/VARIANT][:OSVERSION]`; several with commas between them.
 * @throws FatalError
 */
export function parsePlatforms(text: string): readonly string[] {
  if (text === '') return []
  return text.split(',').map((part) => {
    const platform = part.trim()
    if (/^[\w.-]+\/[\w.-]+(?:\/[\w.-]+)?$/.test(platform)) return platform
    throw new FatalError(`Invalid platform ${JSON.stringify(part)}: write OS/ARCH[/VARIANT]`)
  })
}
