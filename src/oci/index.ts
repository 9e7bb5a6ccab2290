/**
 * OCI documents as data (types, parse, serialise) and the contracts over them: `Repository` and `Layer`.
 * No I/O. store/, registry/ and layer/ implement the contracts and never import each other.
 */
export * from './annotation.ts'
export { attestationDocuments, packageUrl, type StatementSubject, statementOf } from './attestation.ts'
export * from './blob-path.ts'
export * from './layer.ts'
export * from './manifest.ts'
export * from './parse.ts'
export * from './referrer.ts'
export * from './repository.ts'
export * from './types.ts'
