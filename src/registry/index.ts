/**
 * Content far away: repositories of registries over HTTP, credentials for them, and `copy`, which moves images
 * between any two repositories. Its interface is `Repository` of oci/. Sockets and undici are used only here and in
 * sources/. Knows no disk layout, no Dockerfile and no cache.
 */
export { copy, copyBlob } from './copy.ts'
export { type ContentList, listContent } from './list-content.ts'
export type { RegistryLocation, RegistryMap } from './location.ts'
export { login, logout } from './login.ts'
export type { RegistryCertificates } from './own-certificates.ts'
export { readDocument } from './read-document.ts'
export { requireReach } from './reach.ts'
export { entriesOf, type ResolvedImage, resolveForPlatform } from './resolve-platform.ts'
export { createRegistryClient, type RegistryClient } from './routed-client.ts'
export { createTransport, type Transport } from './transport.ts'
