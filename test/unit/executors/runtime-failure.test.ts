import { expect, test } from 'vitest'
import { errorInLog, runtimeFailure, statusOfUnstarted } from '../../../src/executors/runtime-failure.ts'

test('errorInLog() is the last error, whatever else a runtime wrote', () => {
  const log = [
    '{"level":"warning","msg":"unable to get oom kill count"}',
    '{"level":"error","msg":"first"}',
    'not JSON',
    '{"level":"error","msg":"last"}',
    '{"level":"debug","msg":"later"}',
    '',
  ].join('\n')
  expect(errorInLog(log)).toBe('last')
  expect(errorInLog('')).toBeUndefined()
})

test.each([
  ['executable file `nope` not found in $PATH: No such file or directory', 127],
  ['exec container process (missing dynamic library?) `/bin/x`: No such file or directory', 127],
  [
    'runc run failed: unable to start container process: exec: "nope": executable file not found in $PATH',
    127,
  ],
  ['runc run failed: unable to start container process: exec: "/x": stat /x: no such file or directory', 127],
  ['open executable: Permission denied', 126],
  ['exec container process `/x`: Exec format error', 126],
  ['runc run failed: unable to start container process: exec: "/etc/passwd": permission denied', 126],
  ['mount `proc` to `/proc`: Operation not permitted', undefined],
])('statusOfUnstarted() of "%s" is %s', (message, status) => {
  expect(statusOfUnstarted(message)).toBe(status)
})

test('runtimeFailure() gives the message of the runtime and what to do', () => {
  const error = runtimeFailure('/usr/bin/crun', 'cgroups in hybrid mode not supported')
  expect([error.code, error.message, error.hint]).toMatchInlineSnapshot(`
    [
      "ERR_OSSB_EXECUTOR",
      "Cannot run a process by crun: cgroups in hybrid mode not supported",
      ""/usr/bin/crun" failed before the process started. It may not cope with how cgroups are mounted on this machine. Build without "--executor container" to do without it.",
    ]
  `)
})
