/**
 * Content far away: repositories of registries over HTTP, credentials for them, and `copy`, which moves images
 * between any two repositories. Its interface is `Repository` of oci/. Sockets and undici are used only here and in
 * sources/. Knows no disk layout, no Dockerfile and no cache.
 *
 * http/ sends one request, whatever it takes: proxies, certificates, redirects, repeats. auth/ answers a registry that
 * asks who is there. upload/ brings content to a registry. mirrors/ decides which registry is asked in the first place.
 * `Repository` stands on the first three; see repository.ts and session.ts.
 */
export { copy, copyBlob } from './copy.ts'
export { type ContentList, listContent } from './list-content.ts'
export type { CredentialProvider } from './auth/credentials/keychain.ts'
export type { RegistryLocation, RegistryMap } from './mirrors/location.ts'
export { askCloud } from './auth/ask-cloud.ts'
export { login, type LoginResult, logout, type LogoutResult } from './auth/login.ts'
export type { RegistryCertificates } from './http/own-certificates.ts'
export { readDocument } from './read-document.ts'
export { requireReach } from './http/reach.ts'
export { entriesOf, type ResolvedImage, resolveForPlatform } from './resolve-platform.ts'
export { createRegistryClient, type RegistryClient } from './mirrors/routed-client.ts'
export { createTransport, type Transport } from './http/transport.ts'
