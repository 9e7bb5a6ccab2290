import type { Api } from './api.ts'
import { toBuildRequest } from './build-options.ts'
import { type ParsedCommand, parseCommandLine } from './command-line.ts'
import { runBuild } from './commands/build.ts'
import { runBundle, runLock } from './commands/bundle.ts'
import { runCacheInfo, runCachePrune, runCacheVerify } from './commands/cache.ts'
import { runCall } from './commands/call.ts'
import { runCopy } from './commands/copy.ts'
import { runDoctor } from './commands/doctor.ts'
import { runIndexCreate } from './commands/index-create.ts'
import { runInspect } from './commands/inspect.ts'
import { runLogin, runLogout } from './commands/login.ts'
import { COMMANDS } from './commands.ts'
import { errorLines } from './error-report.ts'
import { exitCodeOf } from './exit-code.ts'
import { commandHelp, programHelp } from './help.ts'
import type { Host } from './host.ts'
import type { CopyFlags, IndexCreateFlags, InspectFlags } from './image-option-table.ts'
import type { BuildFlags } from './build-option-table.ts'
import type { CacheInfoFlags, CachePruneFlags, CacheVerifyFlags } from './cache-option-table.ts'
import type { GatherFlags } from './gather-option-table.ts'
import type { LoginFlags, LogoutFlags } from './login-option-table.ts'
import type { DoctorFlags } from './option-table.ts'
import { packageVersion } from './version.ts'

/**
 * The program `ossb`: reads the command line, runs the command, answers the exit status. This folder alone touches
 * `process`, and hands what it takes from it down as a `Host`; of the builder it knows the public API, handed in as
 * an `Api`. Flags are records of option-table.ts; progress is events → state (progress/reducer.ts) → lines.
 */
export async function runOssb(host: Host, api: Api): Promise<number> {
  try {
    return shortcut(host) ?? (await dispatch(await parseCommandLine(lineOf(host)), host, api))
  } catch (error) {
    const interrupted = host.interruption.exitCode()
    const shown: unknown = interrupted === undefined ? error : host.interruption.signal.reason
    for (const line of errorLines(shown)) host.stderr.write(`${line}\n`)
    return interrupted ?? exitCodeOf(error)
  }
}

/** What needs no parser is told without it. */
function shortcut({ args: [word, ...others], stdout }: Host): number | undefined {
  if (others.length > 0) return undefined
  if (word === undefined || word === 'help' || word === '--help') {
    stdout.write(programHelp(COMMANDS, widthOf(stdout)))
    return 0
  }
  if (word !== 'version' && word !== '--version') return undefined
  stdout.write(`ossb ${packageVersion()}\n`)
  return 0
}

function lineOf({ args, environment }: Host): Parameters<typeof parseCommandLine>[0] {
  const [first, ...rest] = args
  const words = first === 'help' ? [...rest, '--help'] : first === '--version' ? ['version', ...rest] : args
  return { args: words, commands: COMMANDS, environment }
}

function widthOf({ columns = 100 }: Host['stdout']): number {
  return Math.min(columns, 100)
}

type Handler = (parsed: ParsedCommand, host: Host, api: Api) => number | Promise<number>

/** By command. The parser has checked the values against the option table of the command, as the type of its flags says. */
const HANDLERS: Readonly<Record<string, Handler>> = {
  build(parsed, host, api) {
    const request = toBuildRequest({
      context: parsed.positionals[0] ?? '.',
      flags: parsed.values as unknown as BuildFlags,
      environment: host.environment,
      stdoutIsTerminal: host.stdout.isTTY === true,
    })
    return request.call === undefined
      ? runBuild(request, host, api)
      : runCall(request, request.call, host, api)
  },
  bundle: (parsed, host, api) =>
    runBundle(parsed.positionals, parsed.values as unknown as GatherFlags, host, api),
  lock: (parsed, host, api) =>
    runLock(parsed.positionals, parsed.values as unknown as GatherFlags, host, api),
  'cache info': (parsed, host, api) => runCacheInfo(parsed.values as unknown as CacheInfoFlags, host, api),
  'cache verify': (parsed, host, api) =>
    runCacheVerify(parsed.values as unknown as CacheVerifyFlags, host, api),
  'cache prune': (parsed, host, api) => runCachePrune(parsed.values as unknown as CachePruneFlags, host, api),
  copy: ({ positionals, values }, host, api) =>
    runCopy({ positionals, flags: values as unknown as CopyFlags }, host, api),
  inspect: ({ positionals, values }, host, api) =>
    runInspect({ positionals, flags: values as unknown as InspectFlags }, host, api),
  'index create': ({ positionals, values }, host, api) =>
    runIndexCreate({ positionals, flags: values as unknown as IndexCreateFlags }, host, api),
  doctor: (parsed, host, api) => runDoctor(parsed.values as unknown as DoctorFlags, host, api),
  login: ({ values, positionals: [registry] }, host, api) =>
    runLogin({ ...(values as unknown as LoginFlags), registry }, host, api),
  logout: ({ values, positionals: [registry] }, host, api) =>
    runLogout({ ...(values as unknown as LogoutFlags), registry }, host, api),
  version(_parsed, host) {
    host.stdout.write(`ossb ${packageVersion()}\n`)
    return 0
  },
}

async function dispatch(parsed: ParsedCommand, host: Host, api: Api): Promise<number> {
  const width = widthOf(host.stdout)
  const { command } = parsed
  const handler = command === undefined ? undefined : HANDLERS[command.name]
  if (command === undefined || handler === undefined || parsed.values['help'] === true) {
    host.stdout.write(command === undefined ? programHelp(COMMANDS, width) : commandHelp(command, width))
    return 0
  }
  return await handler(parsed, host, api)
}
