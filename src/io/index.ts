/**
 * Mechanism without a domain: verified and counted streams, atomic files, retries, bounded concurrency, processes.
 * Knows nothing of images, layers or registries.
 */
export * from './atomic-write.ts'
export * from './digest-tap.ts'
export * from './holding.ts'
export * from './random-file.ts'
export * from './retry.ts'
export * from './run-process.ts'
export * from './semaphore.ts'
export * from './tee.ts'
export * from './verified.ts'
export * from './write-error.ts'
