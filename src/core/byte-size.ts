const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** Bytes for a person, in powers of 1000 with at most three digits: `1.23MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000
    unit += 1
  }
  const text =
    unit === 0
      ? String(value)
      : value >= 100
        ? value.toFixed(0)
        : value >= 10
          ? value.toFixed(1)
          : value.toFixed(2)
  return `${text}${UNITS[unit]}`
}
