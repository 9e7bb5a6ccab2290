/**
 * Moves whole images between the places where they can be: registries, OCI layouts, archives and the cache. A place is
 * known by its location; knows nothing of how an image is built.
 */
export * from './archives.ts'
export * from './copy-image.ts'
export * from './create-index.ts'
export * from './inspect-image.ts'
export * from './warm-image.ts'
