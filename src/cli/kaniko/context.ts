import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { BuildOptions, SecretSpec } from '../../index.ts'
import { CommandError } from './command-error.ts'
import { parseBool } from './go-values.ts'
import { invalidArgument } from './parse-flags.ts'
import type { Environment, ExecutorValues } from './values.ts'

/** What the flags about the context say of a build; `environment` is the caller's with what git is to find there. */
export interface ContextOptions
  extends Pick<BuildOptions, 'context' | 'contextSubdirectory' | 'environment'> {
  readonly secrets: readonly SecretSpec[]
}

interface ContextFlags {
  readonly values: ExecutorValues
  readonly environment: Environment
  /** Where relative paths begin. */
  readonly directory: string
}

/** A variable of the builder's own environment for what git says to a host. */
const AUTHORIZATION = 'OSSB_GIT_AUTHORIZATION'
const AZURE =
  /^https:\/\/[^/]+\.blob\.core\.(?:windows\.net|chinacloudapi\.cn|cloudapi\.de|usgovcloudapi\.net)\//

/**
 * Reads `--context`, `--bucket`, `--context-sub-path` and `--git`: what stands before `://` says what kind of context it
 * is, and without that it is a directory.
 * @throws CommandError
 */
export function contextOptions(flags: ContextFlags): ContextOptions {
  const { values, environment, directory } = flags
  const text = contextText(values)
  const subdirectory = values.text('context-sub-path')
  const sub = subdirectory === '' ? {} : { contextSubdirectory: subdirectory }
  const git = gitSettings(values)
  const [, scheme, rest = ''] = /^([a-z0-9+.-]+):\/\/(.*)$/is.exec(text) ?? []
  const plain = { environment, secrets: [], ...sub }
  switch (scheme) {
    case undefined:
      return { ...plain, context: resolve(directory, text) }
    case 'dir':
      return { ...plain, context: resolve(directory, rest) }
    case 'tar':
      return { ...plain, context: rest === 'stdin' ? '-' : archivePath(resolve(directory, rest)) }
    case 'git':
    case 'ssh':
      return { ...gitContext(scheme === 'ssh' ? text : rest, git, environment, scheme), ...sub }
    case 'https':
      if (AZURE.test(text)) requireAzureKey(environment)
      return { ...plain, context: text }
    case 's3':
    case 'gs':
      return {
        ...plain,
        context: /^[^/]+\/./.test(rest) ? text : `${scheme}://${rest.replace(/\/$/, '')}/context.tar.gz`,
      }
    default:
      throw unusable(
        'unknown build context prefix provided, please use one of the following: gs://, dir://, tar://, s3://, git://, https://',
      )
  }
}

function unusable(why: string): Error {
  return new CommandError(`error resolving source context: ${why}`)
}

/** The bucket counts where no directory is asked for. */
function contextText(values: ExecutorValues): string {
  const context = values.text('context')
  const bucket = values.text('bucket')
  if (bucket === '' || (context !== '' && !context.includes('://'))) return context
  return bucket.includes('://') ? bucket : `gs://${bucket}`
}

function archivePath(path: string): string {
  if (existsSync(path) && statSync(path).isFile()) return path
  throw unusable(`stat ${path}: no such file or directory`)
}

function requireAzureKey(environment: Environment): void {
  if ((environment['AZURE_STORAGE_ACCESS_KEY'] ?? '') === '')
    throw unusable('AZURE_STORAGE_ACCESS_KEY environment variable is not set')
}

interface GitSettings {
  readonly branch?: string
  readonly submodules: boolean
  readonly unverified: boolean
}

function gitSettings(values: ExecutorValues): GitSettings {
  const pairs = new Map(values.list('git').map(gitPair))
  const on = (key: string) => parseBool(pairs.get(key) ?? 'false') === true
  const branch = pairs.get('branch')
  return {
    ...(branch === undefined || branch === '' ? {} : { branch }),
    submodules: on('recurse-submodules'),
    unverified: on('insecure-skip-tls'),
  }
}

const BOOLEANS = ['single-branch', 'recurse-submodules', 'insecure-skip-tls']

/** Keys that are not known are let be, as kaniko lets them; `depth` and `single-branch` are what is done anyway. */
function gitPair(text: string): readonly [string, string] {
  const equals = text.indexOf('=')
  if (equals === -1)
    throw new CommandError(
      invalidArgument({ name: 'git' }, text, `invalid git flag, must be in the key=value format: ${text}`),
    )
  const key = text.slice(0, equals)
  const value = text.slice(equals + 1)
  const isRight = BOOLEANS.includes(key)
    ? parseBool(value) !== undefined
    : key !== 'depth' || /^\d+$/.test(value)
  if (isRight) return [key, value]
  throw new CommandError(invalidArgument({ name: 'git' }, text, `invalid value for ${key}: ${value}`))
}

/** `HOST/PATH[#REF[#COMMIT]]`: the commit is what is checked out, where one is given. */
function gitContext(
  text: string,
  { branch, submodules, unverified }: GitSettings,
  environment: Environment,
  scheme: 'git' | 'ssh',
): ContextOptions {
  const [place = '', ref = '', commit = ''] = text.split('#')
  const method = scheme === 'ssh' ? 'ssh' : (environment['GIT_PULL_METHOD'] ?? 'https')
  if (!['http', 'https', 'ssh'].includes(method)) throw unusable(`unknown GIT_PULL_METHOD: ${method}`)
  const [, user, address = place] = /^(?:ssh:\/\/)?(?:([^/@]*)@)?(.*)$/s.exec(place) ?? []
  const wanted = commit || branch || ref
  const query = `keep-git-dir=true&submodules=${submodules}`
  const login = method === 'ssh' ? undefined : authorizationOf(user, environment)
  const shown = method === 'ssh' && user !== undefined ? `${user}@${address}` : address
  const host = /^[^/:]*/.exec(address)?.[0] ?? ''
  return {
    context: `git+${method}://${shown}?${query}${wanted === '' ? '' : `#${wanted}`}`,
    environment: {
      ...environment,
      ...(login === undefined ? {} : { [AUTHORIZATION]: login }),
      ...(unverified ? { GIT_SSL_NO_VERIFY: 'true' } : {}),
    },
    secrets:
      login === undefined
        ? []
        : [{ id: `GIT_AUTH_HEADER.${host}`, env: AUTHORIZATION, hiddenFromRuns: true }],
  }
}

/** A token stands in the place of the user name, and needs no password. */
function authorizationOf(user: string | undefined, environment: Environment): string | undefined {
  const token = environment['GIT_TOKEN'] ?? ''
  const name = environment['GIT_USERNAME'] ?? ''
  const pair =
    token !== ''
      ? `${token}:`
      : name !== ''
        ? `${name}:${environment['GIT_PASSWORD'] ?? ''}`
        : user === undefined
          ? undefined
          : withPassword(decodeURIComponent(user))
  return pair === undefined ? undefined : `Basic ${Buffer.from(pair).toString('base64')}`
}

function withPassword(user: string): string {
  return user.includes(':') ? user : `${user}:`
}

/**
 * `--dockerfile`: a URL, or a path. One that was asked for is looked for from the working directory first and then in
 * the context; the one that was not is that of the context, whatever lies in the working directory.
 * @throws CommandError where it is to be in a directory, and is not
 */
export function dockerfileOption(
  { context, contextSubdirectory = '' }: ContextOptions,
  { values, directory }: ContextFlags,
): string {
  const named = values.text('dockerfile')
  if (/^https?:\/\//.test(named)) return named
  const isLocal =
    !context.includes('://') &&
    context !== '-' &&
    statSync(context, { throwIfNoEntry: false })?.isFile() !== true
  const here = resolve(directory, named)
  const inContext = resolve(join(context, contextSubdirectory), named)
  const places = values.isSet('dockerfile')
    ? [here, ...(isLocal ? [inContext] : [])]
    : isLocal
      ? [inContext, here]
      : []
  const found = places.find((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
  if (found !== undefined) return found
  if (!isLocal) return named
  throw new CommandError(
    'error resolving dockerfile path: please provide a valid path to a Dockerfile within the build context with --dockerfile',
  )
}
