/**
 * Where files of a build come from: a directory as the build context, a download for ADD. Gives trees and files to copy
 * from; knows no Dockerfile and no image.
 */
export * from './directory.ts'
export * from './dockerfile.ts'
export * from './download.ts'
export { openSecrets, type SecretSource, type Secrets } from './secrets.ts'
export { openSshAgents, type SshAgents, type SshSource } from './ssh-agents.ts'
