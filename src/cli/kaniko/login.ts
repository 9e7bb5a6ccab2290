import type { Api } from '../api.ts'
import type { Host } from '../host.ts'
import { readPassword } from '../read-password.ts'
import { CommandError } from './command-error.ts'
import { parseFlags } from './parse-flags.ts'
import { helpText, type KanikoCommand } from './usage.ts'

const FLAGS = [
  { name: 'password', shorthand: 'p', kind: 'string', description: 'Password' },
  { name: 'password-stdin', kind: 'bool', description: 'Take the password from standard input' },
  { name: 'username', shorthand: 'u', kind: 'string', description: 'User name' },
] as const

export const LOGIN_COMMAND: KanikoCommand = {
  line: 'executor login <registry>',
  summary: 'Keeps the credentials for a registry where the executor finds them.',
  flags: FLAGS,
}

/** `executor login`: 0 when the registry took the password and it is kept. */
export async function runLogin(args: readonly string[], host: Host, api: Api): Promise<number> {
  const { values, words, help } = parseFlags(args, FLAGS)
  if (help) {
    host.stdout.write(helpText(LOGIN_COMMAND))
    return 0
  }
  const [registry, more] = words
  if (registry === undefined || more !== undefined)
    throw new CommandError(`accepts 1 arg(s), received ${words.length}`)
  const username = values.text('username')
  if (username === '') throw new CommandError('username required')
  const given = values.text('password')
  const isPiped = values.on('password-stdin')
  if (given !== '' && isPiped)
    throw new CommandError('only one of --password or --password-stdin may be specified')
  if (given === '' && !isPiped)
    throw new CommandError('a password must be supplied via --password or --password-stdin')
  const password = isPiped ? await readPassword(host.stdin) : given
  if (password === '') throw new CommandError('password is blank')
  const { storedIn } = await api.login(
    {
      registry: registry === 'index.docker.io' ? 'docker.io' : registry,
      username,
      password,
      insecureRegistries: [],
      environment: host.environment,
    },
    { signal: host.interruption.signal, emit: () => undefined },
  )
  host.stderr.write(`\nWARNING! Your credentials are stored unencrypted in ${storedIn}.\n`)
  host.stdout.write('Login Succeeded\n')
  return 0
}
