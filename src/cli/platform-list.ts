/** What `--platform` says: several, and each several with commas; one that is said twice counts once. */
export function platformsOf(texts: readonly string[]): readonly string[] {
  const platforms = texts.flatMap((text) => text.split(',')).map((platform) => platform.trim())
  return [...new Set(platforms)].filter((platform) => platform !== '')
}
