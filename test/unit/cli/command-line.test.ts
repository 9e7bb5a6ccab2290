import { describe, expect, test } from 'vitest'
import { runCli } from '../../support/cli-host.ts'

describe('the command line', () => {
  test.each([
    [['biuld'], 'Cannot run "biuld": there is no such command', 'Did you mean "ossb build"?'],
    [
      ['frob'],
      'Cannot run "frob": there is no such command',
      'The commands are build, copy, inspect, index create, bundle, lock, cache info, cache prune, cache verify, doctor, login, logout, version.',
    ],
    [
      ['cache', 'inof'],
      'Cannot run "cache inof": there is no such command',
      'Did you mean "ossb cache info"?',
    ],
    [
      ['cache'],
      'Cannot run "cache": it needs one more word',
      'Write "ossb cache info" or "ossb cache prune" or "ossb cache verify".',
    ],
    [
      ['build', '--outptu', 'x'],
      'Cannot use --outptu: "ossb build" has no such flag',
      'Did you mean --output?',
    ],
    [
      ['build', '--no-push'],
      'Cannot use --no-push: "ossb build" has no such flag',
      'See "ossb build --help".',
    ],
    [['build', '-Z'], 'Cannot use -Z: "ossb build" has no such flag', 'See "ossb build --help".'],
    [['build', 'a', 'b'], 'Cannot use "b": "build" takes one CONTEXT', 'See "ossb build --help".'],
    [['copy'], 'Cannot run "copy": SRC is missing', 'See "ossb copy --help".'],
    [['copy', 'a'], 'Cannot run "copy": DST is missing', 'See "ossb copy --help".'],
    [['copy', 'a', 'b', 'c'], 'Cannot use "c": "copy" takes only SRC and DST', 'See "ossb copy --help".'],
    [['inspect'], 'Cannot run "inspect": IMAGE is missing', 'See "ossb inspect --help".'],
    [['inspect', 'a', 'b'], 'Cannot use "b": "inspect" takes one IMAGE', 'See "ossb inspect --help".'],
    [['index'], 'Cannot run "index": it needs one more word', 'Write "ossb index create".'],
    [
      ['index', 'create', 'a'],
      'Cannot run "index create": SRC is missing',
      'See "ossb index create --help".',
    ],
    [['doctor', 'x'], 'Cannot use "x": "doctor" takes no argument', 'See "ossb doctor --help".'],
    [['--bogus'], 'Cannot use --bogus: "ossb" has no such flag', 'See "ossb --help".'],
    [['build', '--tag'], 'Cannot use --tag without a value', 'Write --tag NAME[:TAG].'],
    [['build', '-t', '--push'], 'Cannot use --tag without a value', 'Write --tag NAME[:TAG].'],
    [
      ['build', '--progress', 'fancy'],
      'Cannot use "fancy" for --progress: there is no such choice',
      'Choose one of auto, tty, plain, json, quiet.',
    ],
  ])('refuses %j', async (args, message, hint) => {
    expect(await runCli(args)).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `ERROR: ${message}\nhint: ${hint}\n`,
    })
  })

  test('names the variable whose value cannot be used', async () => {
    const run = await runCli(['build'], undefined, { environment: { BUILDKIT_PROGRESS: 'fancy' } })
    expect(run.stderr).toBe(
      'ERROR: Cannot use "fancy" for BUILDKIT_PROGRESS: there is no such choice\nhint: Choose one of auto, tty, plain, json, quiet.\n',
    )
  })

  test.each([[['version']], [['--version']]])('%j prints the version', async (args) => {
    const run = await runCli(args)
    expect(run).toEqual({ exitCode: 0, stdout: expect.stringMatching(/^ossb \d+\.\d+\.\d+\n$/), stderr: '' })
  })

  test.each([[[]], [['--help']], [['-h']], [['help']]])('%j shows what there is', async (args) => {
    const run = await runCli(args)
    expect(run.exitCode).toBe(0)
    expect(run.stdout).toContain('Usage: ossb COMMAND [OPTIONS]')
  })

  test.each([[['build', '--help']], [['build', '-h', '--push']], [['help', 'build']]])(
    '%j shows the help of build',
    async (args) => {
      const run = await runCli(args)
      expect(run.stdout).toContain('Usage: ossb build [OPTIONS] [CONTEXT]')
    },
  )
})
