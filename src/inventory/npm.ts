import * as v from 'valibot'
import { type FoundPackage, stated } from './found-package.ts'
import { purlOf } from './purl.ts'

const License = v.union([v.string(), v.object({ type: v.string() })])
const Person = v.union([v.string(), v.object({ name: v.string(), email: v.optional(v.string()) })])
const Manifest = v.object({
  name: v.pipe(v.string(), v.nonEmpty()),
  version: v.pipe(v.string(), v.nonEmpty()),
  license: v.fallback(v.optional(License), undefined),
  licenses: v.fallback(v.optional(v.array(License)), undefined),
  author: v.fallback(v.optional(Person), undefined),
})

/** The package of one node_modules/NAME/package.json; none where the file states no name or version, or is broken. */
export function npmPackages(text: string): readonly FoundPackage[] {
  const parsed = v.safeParse(Manifest, parseJson(text))
  if (!parsed.success) return []
  const { name, version, license, licenses, author } = parsed.output
  const slash = name.indexOf('/')
  const purl = purlOf({
    type: 'npm',
    ...(slash < 0 ? {} : { namespace: name.slice(0, slash) }),
    name: name.slice(slash + 1),
    version,
  })
  const all = (license === undefined ? (licenses ?? []) : [license]).map((one) =>
    typeof one === 'string' ? one : one.type,
  )
  return [{ type: 'npm', name, version, purl, ...stated(all.join(' OR '), personText(author)) }]
}

function personText(author: v.InferOutput<typeof Person> | undefined): string | undefined {
  if (author === undefined || typeof author === 'string') return author
  return author.email === undefined ? author.name : `${author.name} <${author.email}>`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    return undefined
  }
}
