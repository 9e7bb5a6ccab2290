/**
 * JSON with sorted keys and no blanks: equal values give equal bytes, so that it can be hashed.
 * `undefined` members are left out; values must be plain data.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    member !== null && typeof member === 'object' && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}
