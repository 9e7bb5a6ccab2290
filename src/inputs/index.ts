/**
 * What a build is made from: its definition, and all that it takes from elsewhere, with the lock and the archive of
 * that. Knows what a plan needs; builds nothing.
 */
export * from './base-images.ts'
export * from './build-sources.ts'
export * from './definition.ts'
export * from './input-archive.ts'
export * from './input-check.ts'
export * from './input-lock.ts'
export * from './needed-inputs.ts'
