import { statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import type { BuildOptions, Entitlement, ExtraHost, Ulimit } from '../index.ts'
import { parseSecrets, parseSshAgents } from './credential-flags.ts'
import type { BuildFlags } from './build-option-table.ts'
import { parseSize } from './size.ts'
import { usageError } from './usage-error.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** The part of a build that is about its RUNs. */
export type RunOptions = Pick<
  BuildOptions,
  'secrets' | 'ssh' | 'network' | 'allow' | 'extraHosts' | 'shmSize' | 'ulimits' | 'emulators' | 'parallelism'
>

const ENTITLEMENTS: readonly Entitlement[] = ['network.host', 'security.insecure']
const LIMITS: readonly string[] = [
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
]

/** What the flags say of RUN; what they do not say is absent. */
export function runOptions(flags: BuildFlags, environment: Environment): RunOptions {
  const { network } = flags
  const lists = {
    secrets: parseSecrets(flags.secret, environment),
    ssh: parseSshAgents(flags.ssh),
    allow: allowed(flags),
    extraHosts: flags['add-host'].flatMap(parseExtraHosts),
    ulimits: parseUlimits(flags.ulimit),
    emulators: flags.qemu.map(parseEmulator),
  }
  return {
    ...Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)),
    ...(network === undefined || network === 'default' ? {} : { network }),
    ...(flags['shm-size'] === undefined ? {} : { shmSize: parseSize('shm-size', flags['shm-size']) }),
    ...(flags.parallel === undefined ? {} : { parallelism: parseParallelism(flags.parallel) }),
  }
}

/** @throws OssbError ERR_OSSB_USAGE for what is neither a directory nor an emulator by its name */
function parseEmulator(text: string): string {
  const path = resolve(text)
  const status = statSync(path, { throwIfNoEntry: false })
  if (status?.isDirectory() || (status?.isFile() && /^qemu-\w+$|^qemu-\w+-static$/.test(basename(path))))
    return path
  throw usageError(
    `Cannot use --qemu ${text}: ${status === undefined ? 'there is no such file' : 'its name is not qemu-ARCH or qemu-ARCH-static'}`,
    'Name a static emulator, such as /usr/bin/qemu-aarch64-static, or a directory with some.',
  )
}

/** Who asks for the host's network for all has allowed it. */
function allowed(flags: BuildFlags): readonly Entitlement[] {
  const given = flags.allow.flatMap((text) => text.split(',')).map(entitlementOf)
  return [...new Set(flags.network === 'host' ? [...given, 'network.host' as const] : given)]
}

function entitlementOf(text: string): Entitlement {
  const found = ENTITLEMENTS.find((entitlement) => entitlement === text)
  if (found !== undefined) return found
  throw usageError(
    `Cannot use --allow ${text}: there is no such entitlement`,
    `Entitlements: ${ENTITLEMENTS.join(', ')}.`,
  )
}

/** `HOST:ADDRESS` or `HOST=ADDRESS[,ADDRESS]`; an IPv6 address may stand in brackets. */
export function parseExtraHosts(text: string): readonly ExtraHost[] {
  const [, name, addresses] = /^([^=]+)=(.+)$/.exec(text) ?? /^([^:]+):(.+)$/.exec(text) ?? []
  if (name === undefined || addresses === undefined || /\s/.test(name)) throw invalidHost(text)
  return addresses.split(',').map((address) => ({ name, address: addressOf(address, text) }))
}

/** A RUN with a network has the machine's own: there the host is the loopback address. */
function addressOf(written: string, text: string): string {
  if (written === 'host-gateway') return '127.0.0.1'
  const address = /^\[(.+)\]$/.exec(written)?.[1] ?? written
  if (isIpv4(address) || isIpv6(address)) return address
  throw invalidHost(text)
}

function isIpv4(text: string): boolean {
  const parts = text.split('.')
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
}

function isIpv6(text: string): boolean {
  return /^[0-9a-f:.]+$/i.test(text) && text.includes(':') && URL.canParse(`http://[${text}]/`)
}

function invalidHost(text: string): Error {
  return usageError(`Cannot use --add-host ${text}: invalid host ${text}`, 'Write --add-host NAME=ADDRESS.')
}

/** `NAME=SOFT[:HARD]`; of several for one name the last counts. */
export function parseUlimits(texts: readonly string[]): readonly Ulimit[] {
  return [...new Map(texts.map((text) => [ulimitOf(text).name, ulimitOf(text)])).values()]
}

function ulimitOf(text: string): Ulimit {
  const [, name, softText, hardText = softText] =
    /^([^=]*)=(-1|\d{1,15})(?::(-1|\d{1,15}))?$/.exec(text) ?? []
  if (name === undefined) throw invalidUlimit(text, `invalid ulimit argument: ${text}`)
  if (!LIMITS.includes(name)) throw invalidUlimit(text, `invalid ulimit type: ${name}`)
  const [soft, hard] = [Number(softText), Number(hardText)]
  if (hard !== -1 && (soft === -1 || soft > hard))
    throw invalidUlimit(
      text,
      `ulimit soft limit must be less than or equal to hard limit: ${soft === -1 ? 'unlimited' : soft} > ${hard}`,
    )
  return { name, soft, hard }
}

function invalidUlimit(text: string, reason: string): Error {
  return usageError(
    `Cannot use --ulimit ${text}: ${reason}`,
    `Write --ulimit NAME=SOFT[:HARD], where -1 is no limit and NAME one of ${LIMITS.join(', ')}.`,
  )
}

function parseParallelism(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text)) return Number(text)
  throw usageError(`Cannot use --parallel ${text}: it is not a number from 1 on`, 'Write --parallel 4.')
}
