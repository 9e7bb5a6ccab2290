/**
 * Content far away: repositories of registries over HTTP, credentials for them, and `copy`, which moves images
 * between any two repositories. Its interface is `Repository` of oci/. Sockets and undici are used only here and in
 * sources/. Knows no disk layout, no Dockerfile and no cache.
 */
export { createRegistryClient, type RegistryClient } from './client.ts'
export { copy, copyBlob } from './copy.ts'
export { type ContentList, listContent } from './list-content.ts'
export { readDocument } from './read-document.ts'
export { entriesOf, resolveForPlatform } from './resolve-platform.ts'
export { createTransport, type Transport } from './transport.ts'
