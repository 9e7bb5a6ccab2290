import type { Job } from '../../index.ts'
import type { Api } from '../api.ts'
import type { Host } from '../host.ts'
import type { LoginFlags, LogoutFlags } from '../login-option-table.ts'
import { readPassword } from '../read-password.ts'
import { registryTrust } from '../registry-flags.ts'
import { usageError } from '../usage-error.ts'

type WithRegistry<Flags> = Flags & { readonly registry: string | undefined }

/** `ossb login`: 0 when the registry took the password. */
export async function runLogin(flags: WithRegistry<LoginFlags>, host: Host, api: Api): Promise<number> {
  const registry = registryOf(flags.registry, 'login')
  const trust = registryTrust(flags, host.environment)
  const user = await userOf(flags, registry, host)
  const result = await api.login({ ...trust, registry, ...user }, silentJob(host))
  if (result.shadowedBy !== undefined)
    host.stderr.write(
      `WARN: ${result.shadowedBy} comes before it, and has other credentials for ${registry}\n`,
    )
  host.stdout.write(
    `Logged in to ${registry} as ${user.username}. The password is kept in ${result.storedIn}.\n`,
  )
  return 0
}

/** `ossb logout`: 0 also when there was nothing to remove. */
export async function runLogout(flags: WithRegistry<LogoutFlags>, host: Host, api: Api): Promise<number> {
  if (flags.all && flags.registry !== undefined)
    throw usageError(`Cannot log out of "${flags.registry}" and of all registries`, 'Leave out one of them.')
  const { environment } = host
  const result = await api.logout(
    {
      environment,
      ...(flags.authfile === undefined ? {} : { authFile: flags.authfile }),
      ...(flags.all ? {} : { registry: registryOf(flags.registry, 'logout') }),
    },
    silentJob(host),
  )
  const what = flags.all ? 'any registry' : registryOf(flags.registry, 'logout')
  host.stdout.write(
    result.removed.length === 0
      ? `There were no credentials for ${what} in ${result.file}.\n`
      : result.removed.map((registry) => `Logged out of ${registry}.\n`).join(''),
  )
  if (result.remaining !== undefined)
    host.stderr.write(`WARN: There still are credentials for ${what}: they come from ${result.remaining}\n`)
  return 0
}

/** Takes what `docker login` takes: also a URL. */
function registryOf(word = 'docker.io', command: 'login' | 'logout'): string {
  const host = word.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '')
  if (/^(?:\[[0-9a-f:]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d+)?$/i.test(host)) return host
  throw usageError(
    `Cannot ${command === 'login' ? 'log in to' : 'log out of'} "${word}": it is not a registry`,
    `Write "ossb ${command} HOST[:PORT]".`,
  )
}

interface User {
  readonly username: string
  readonly password: string
}

async function userOf(flags: LoginFlags, registry: string, host: Host): Promise<User> {
  const { username, password } = flags
  if (password !== undefined && flags['password-stdin'])
    throw usageError('Cannot use --password with --password-stdin', 'Give one of them.')
  if (flags['password-stdin']) {
    if (username === undefined)
      throw usageError('Cannot use --password-stdin without --username', 'Write --username NAME.')
    return { username, password: checked(await readPassword(host.stdin), 'standard input') }
  }
  if (password !== undefined)
    host.stderr.write(
      'WARN: Other users of this machine can see the password of --password, and the shell keeps it; use --password-stdin\n',
    )
  if (username !== undefined && password !== undefined) return { username, password }
  if (host.stdin.isTTY !== true || host.stderr.isTTY !== true)
    throw usageError(
      `Cannot ask for the ${username === undefined ? 'user name' : 'password'}: there is no terminal`,
      'Give --username NAME and --password-stdin.',
    )
  const name = username ?? (await host.ask(`User name for ${registry}: `)).trim()
  if (name === '')
    throw usageError('Cannot log in: the user name is empty', 'Try again, or give --username NAME.')
  return {
    username: name,
    password:
      password ?? checked(await host.askSecret(`Password for ${name} at ${registry}: `), 'the answer'),
  }
}

function checked(password: string, origin: string): string {
  if (password !== '') return password
  throw usageError(`Cannot log in: the password is empty (${origin})`, 'Try again.')
}

function silentJob(host: Host): Job {
  return { signal: host.interruption.signal, emit: () => undefined }
}
