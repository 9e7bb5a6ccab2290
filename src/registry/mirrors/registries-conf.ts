import * as v from 'valibot'
import { OssbError } from '../../core/index.ts'
import { canonicalRegistry } from '../http/origin.ts'

const text = v.optional(v.string())
const flag = v.optional(v.boolean())

const mirror = v.object({
  location: v.string(),
  insecure: flag,
  'pull-from-mirror': v.optional(v.picklist(['all', 'digest-only', 'tag-only'])),
})

const registry = v.object({
  prefix: text,
  location: text,
  insecure: flag,
  blocked: flag,
  'mirror-by-digest-only': flag,
  mirror: v.optional(v.array(mirror)),
})

const registriesConf = v.object({ registry: v.optional(v.array(registry)) })

/** One `[[registry]]` of a registries.conf. */
export interface RegistryRule {
  /** `host[:port]`, `host[:port]/path`, the same with a tag or digest, or `*.host`. */
  readonly prefix: string
  /** What stands in place of the prefix; absent leaves it as it is. */
  readonly location?: string
  readonly insecure: boolean
  readonly blocked: boolean
  readonly mirrors: readonly MirrorRule[]
  /** The file, for messages. */
  readonly file: string
}

export interface MirrorRule {
  readonly location: string
  readonly insecure: boolean
  readonly serves: 'all' | 'tags' | 'digests'
}

/**
 * Reads a registries.conf of version 2 (containers-registries.conf(5)): what it says of registries. Search registries
 * and short names are not for us, as names without a registry are Docker Hub's.
 * @throws OssbError ERR_OSSB_USAGE that names the file and the line or the member
 */
export async function parseRegistriesConf(content: string, file: string): Promise<readonly RegistryRule[]> {
  const document = await parseToml(content, file)
  if ('registries' in document)
    throw invalid(
      file,
      'it is of version 1, with [registries.…]',
      'Write a [[registry]] for each registry, with location and insecure or blocked.',
    )
  const parsed = v.safeParse(registriesConf, document)
  if (!parsed.success) {
    const member = v.getDotPath(parsed.issues[0]) ?? ''
    throw invalid(file, `the member "${member}" is wrong: ${parsed.issues[0].message}`)
  }
  return (parsed.output.registry ?? []).map((one) => ruleOf(one, file))
}

async function parseToml(content: string, file: string): Promise<Readonly<Record<string, unknown>>> {
  const { parse, TomlError } = await import('smol-toml')
  try {
    return parse(content)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const why = error.message.split('\n', 1)[0] ?? ''
    throw invalid(`${file}:${error.line}`, why.replace(/^Invalid TOML document: /, ''))
  }
}

function invalid(where: string, why: string, hint = 'See containers-registries.conf(5).'): OssbError {
  return new OssbError('ERR_OSSB_USAGE', `Cannot read the registries in "${where}": ${why}`, { hint })
}

function ruleOf(rule: v.InferOutput<typeof registry>, file: string): RegistryRule {
  const prefix = rule.prefix || rule.location
  if (!prefix) throw invalid(file, 'a [[registry]] has neither prefix nor location')
  if (prefix.startsWith('*.') && prefix.includes('/'))
    throw invalid(file, `the prefix "${prefix}" has a path after "*."`)
  const { insecure = false, blocked = false, location } = rule
  const byDigest = rule['mirror-by-digest-only'] === true
  return {
    prefix: plainName(prefix, file),
    ...(location ? { location: plainName(location, file) } : {}),
    insecure,
    blocked,
    mirrors: (rule.mirror ?? []).map((one) => ({
      location: plainName(one.location, file),
      insecure: one.insecure ?? false,
      serves: byDigest ? 'digests' : SERVES[one['pull-from-mirror'] ?? 'all'],
    })),
    file,
  }
}

const SERVES = { all: 'all', 'digest-only': 'digests', 'tag-only': 'tags' } as const

/** `Index.Docker.io/library/` as `docker.io/library`. */
function plainName(name: string, file: string): string {
  if (name.includes('://')) throw invalid(file, `"${name}" is a URL`, 'Write the registry without a scheme.')
  const [host = '', ...path] = name.replace(/\/+$/, '').split('/')
  if (host === '') throw invalid(file, `"${name}" names no registry`)
  return [canonicalRegistry(host), ...path].join('/')
}
