/**
 * How a process runs in a root file system: one interface, one implementation for each rung of isolation.
 * Knows no Dockerfile, no image and no cache.
 */
export * from './executor.ts'
