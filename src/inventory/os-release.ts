import type { Distribution } from './found-package.ts'

/** The distribution that an os-release(5) file names; undefined where it names none. */
export function parseOsRelease(text: string): Distribution | undefined {
  const field = (name: string) => new RegExp(`^${name}=(['"]?)(.*)\\1[ \\t]*$`, 'm').exec(text)?.[2]?.trim()
  const [id, version] = [field('ID'), field('VERSION_ID')]
  if (id === undefined || id === '') return undefined
  return { id, ...(version === undefined || version === '' ? {} : { version }) }
}
