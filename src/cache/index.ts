/**
 * Results of steps by key, behind one interface, `Cache`. Knows layers and where they are kept; how a key is made is the
 * solver's business.
 */
export * from './cache.ts'
export { type CacheContents, cacheContents, type PruneOutcome } from './contents.ts'
export * from './export-cache.ts'
export * from './imported-cache.ts'
export * from './inline-cache.ts'
export * from './kaniko-cache.ts'
export * from './layer-packer.ts'
export * from './lost-layers.ts'
export * from './maintenance.ts'
export * from './prune-cache.ts'
export * from './step-about.ts'
export * from './step-cache.ts'
export * from './tally.ts'
export { removeUnfinished, type VerifyOutcome, verifyCache } from './verify-cache.ts'
