/**
 * Where files of a build come from: directories, archives, standard input, git repositories and downloads, for
 * contexts and for ADD. Gives trees and files to copy from. Knows no instruction and no image; archives are
 * unpacked, and HTTP is spoken, by what it is handed (`SourceServices`).
 */
export * from './context.ts'
export * from './directory.ts'
export * from './dockerfile.ts'
export * from './download.ts'
export * from './gathered.ts'
export * from './git.ts'
export { type GitSource, isGitUrl, parseGitUrl, withGitFlags } from './git-url.ts'
export * from './http.ts'
export { openSecrets, type SecretSource, type Secrets } from './secrets.ts'
export * from './services.ts'
export { openSshAgents, type SshAgents, type SshSource } from './ssh-agents.ts'
