/**
 * Values that every part of OSSB shares: digests, descriptors, media types, platforms, references,
 * errors, events, and files as data. Nothing here does I/O, and nothing here imports another folder.
 */
export * from './byte-size.ts'
export * from './canonical-json.ts'
export * from './descriptor.ts'
export * from './digest.ts'
export * from './errors.ts'
export * from './file-entry.ts'
export * from './image-location.ts'
export * from './job.ts'
export * from './join-errors.ts'
export * from './media-type.ts'
export * from './platform.ts'
export * from './redact.ts'
export * from './reference.ts'
export * from './source-range.ts'
