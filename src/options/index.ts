/** What builds and commands are told, and what they answer. */
export type {
  CredentialProvider,
  LoginResult,
  LogoutResult,
  RegistryCertificates,
  RegistryLocation,
  RegistryMap,
} from '../registry/index.ts'
export type * from './build.ts'
export type * from './cache.ts'
export type * from './environment.ts'
export type * from './gather.ts'
export type * from './image.ts'
export type * from './output.ts'
export type * from './registry.ts'
