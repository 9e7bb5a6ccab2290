import { expect, test } from 'vitest'
import { type CheckReport, OssbError, type Outline, type TargetList } from '../../../src/index.ts'
import { fakeApi, runCli } from '../../support/cli-host.ts'

const file = { name: 'some/Dockerfile', text: 'FROM scratch AS Base\n\nCMD x\nCMD y\n' }
const at = (startLine: number) => ({ file: file.name, startLine, endLine: startLine })

const REPORT: CheckReport = {
  file,
  warnings: [
    {
      rule: 'StageNameCasing',
      description: 'About names',
      url: 'https://example.com/stage-name-casing/',
      detail: "Stage name 'Base' should be lowercase",
      source: at(1),
    },
    { rule: 'Other', description: 'About others', detail: 'Something \u001b[31melse', source: at(4) },
  ],
  unresolved: [],
}

const CLEAN: CheckReport = { file, warnings: [], unresolved: [] }

const checking = (report: CheckReport) => fakeApi({ check: () => Promise.resolve(report) })

test('--check shows each finding with its lines, and ends with status 1', async () => {
  expect(await runCli(['build', '--check'], checking(REPORT))).toMatchInlineSnapshot(`
    {
      "exitCode": 1,
      "stderr": "",
      "stdout": "Check complete, 2 warnings have been found!

    WARNING: StageNameCasing - https://example.com/stage-name-casing/
    Stage name 'Base' should be lowercase
    Dockerfile:1
    --------------------
       1 | >>> FROM scratch AS Base
       2 |
       3 |     CMD x
    --------------------

    WARNING: Other
    Something else
    Dockerfile:4
    --------------------
       2 |
       3 |     CMD x
       4 | >>> CMD y
    --------------------
    ",
    }
  `)
})

test('--check says when there is nothing to say', async () => {
  expect(await runCli(['build', '--check'], checking(CLEAN))).toEqual({
    exitCode: 0,
    stdout: 'Check complete, no warnings found.\n',
    stderr: '',
  })
})

test('--check counts one', async () => {
  const run = await runCli(
    ['build', '--call=lint'],
    checking({ ...REPORT, warnings: REPORT.warnings.slice(0, 1) }),
  )
  expect(run.stdout.split('\n')[0]).toBe('Check complete, 1 warning has been found!')
})

test('--call=check,ignorestatus=true ends with status 0', async () => {
  expect((await runCli(['build', '--call=check,ignorestatus=true'], checking(REPORT))).exitCode).toBe(0)
})

test('a mistake that would end a build is told on standard error', async () => {
  const error = new OssbError('ERR_OSSB_DOCKERFILE', 'invalid containerPort: x', { source: at(3) })
  expect(await runCli(['build', '--check'], checking({ ...CLEAN, error }))).toMatchInlineSnapshot(`
    {
      "exitCode": 1,
      "stderr": "some/Dockerfile:3
    --------------------
       1 |     FROM scratch AS Base
       2 |
       3 | >>> CMD x
       4 |     CMD y
    --------------------
    ERROR: invalid containerPort: x
    ",
      "stdout": "",
    }
  `)
})

test('base images that could not be looked at are named', async () => {
  const report = { ...CLEAN, unresolved: [{ reference: 'r.io/x', reason: 'no answer' }] }
  const run = await runCli(['build', '--check'], checking(report))
  expect(run.stderr).toBe('note: the checks know nothing of the base image "r.io/x": no answer\n')
  expect(run.exitCode).toBe(0)
})

test('--call=check,format=json is a document', async () => {
  const error = new OssbError('ERR_OSSB_DOCKERFILE', 'invalid', { source: at(3) })
  const run = await runCli(['build', '--call=check,format=json'], checking({ ...REPORT, error }))
  expect(run.exitCode).toBe(1)
  expect(run.stderr).toBe('')
  expect(JSON.parse(run.stdout)).toMatchInlineSnapshot(`
    {
      "buildError": {
        "location": {
          "ranges": [
            {
              "end": {
                "character": 0,
                "line": 3,
              },
              "start": {
                "character": 0,
                "line": 3,
              },
            },
          ],
        },
        "message": "invalid",
      },
      "sources": [
        {
          "data": "RlJPTSBzY3JhdGNoIEFTIEJhc2UKCkNNRCB4CkNNRCB5Cg==",
          "filename": "Dockerfile",
          "language": "Dockerfile",
        },
      ],
      "warnings": [
        {
          "description": "About names",
          "detail": "Stage name 'Base' should be lowercase",
          "location": {
            "ranges": [
              {
                "end": {
                  "character": 0,
                  "line": 1,
                },
                "start": {
                  "character": 0,
                  "line": 1,
                },
              },
            ],
          },
          "ruleName": "StageNameCasing",
          "url": "https://example.com/stage-name-casing/",
        },
        {
          "description": "About others",
          "detail": "Something [31melse",
          "location": {
            "ranges": [
              {
                "end": {
                  "character": 0,
                  "line": 4,
                },
                "start": {
                  "character": 0,
                  "line": 4,
                },
              },
            ],
          },
          "ruleName": "Other",
        },
      ],
    }
  `)
})

const OUTLINE: Outline = {
  file,
  name: 'app',
  description: 'the program',
  args: [
    { name: 'VERSION', value: '1.2', source: at(1) },
    { name: 'A', description: 'a letter', source: at(2) },
  ],
  secrets: [{ id: 'token', required: true, source: at(3) }],
  ssh: [{ id: 'default', required: false, source: at(3) }],
  caches: [{ id: '/cache', required: false, source: at(4) }],
}

test('--call=outline lists arguments, secrets and ssh sockets', async () => {
  const api = fakeApi({ outline: () => Promise.resolve(OUTLINE) })
  const text = await runCli(['build', '--call=outline'], api)
  expect(text.stdout.split('\n')).toEqual([
    'TARGET:      app',
    'DESCRIPTION: the program',
    '',
    'BUILD ARG   VALUE   DESCRIPTION',
    'VERSION     1.2     ',
    'A                   a letter',
    '',
    'SECRET   REQUIRED',
    'token    true',
    '',
    'SSH       REQUIRED',
    'default   ',
    '',
    '',
  ])
  const json = await runCli(['build', '--call', 'outline,format=json'], api)
  expect(JSON.parse(json.stdout)).toMatchObject({
    name: 'app',
    description: 'the program',
    args: [
      { name: 'VERSION', value: '1.2' },
      { name: 'A', description: 'a letter' },
    ],
    secrets: [{ name: 'token', required: true }],
    ssh: [{ name: 'default' }],
    cache: [{ ID: '/cache' }],
    sources: [Buffer.from(file.text).toString('base64')],
  })
})

test('--call=targets lists what can be built', async () => {
  const list: TargetList = {
    file,
    targets: [
      { name: 'base', description: 'the start', isDefault: false, base: 'scratch', source: at(1) },
      { isDefault: true, base: 'base', platform: 'linux/arm64', source: at(2) },
    ],
  }
  const api = fakeApi({ targets: () => Promise.resolve(list) })
  expect((await runCli(['build', '--call=targets'], api)).stdout.split('\n')).toEqual([
    'TARGET      DESCRIPTION',
    'base        the start',
    '(default)   ',
    '',
  ])
  const { stdout } = await runCli(['build', '--call=targets,format=json'], api)
  expect(JSON.parse(stdout)).toMatchObject({
    targets: [
      { name: 'base', description: 'the start', base: 'scratch' },
      { default: true, base: 'base', platform: 'linux/arm64' },
    ],
  })
})

test.each([
  ['--call=foo', 'Cannot use --call "foo": there is no such method'],
  ['--call=check,format=xml', 'Cannot use --call "check,format=xml": "format=xml" means nothing'],
  ['--call=check,ignorestatus=x', 'Cannot use --call "check,ignorestatus=x": "ignorestatus=x" means nothing'],
])('%s is refused', async (flag, message) => {
  const run = await runCli(['build', flag])
  expect(run.exitCode).toBe(2)
  expect(run.stderr).toContain(message)
})

test('--check goes with no other call', async () => {
  const run = await runCli(['build', '--check', '--call=outline'])
  expect(run).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('Cannot use --check with --call outline'),
  })
})

test('--call=build builds', async () => {
  expect((await runCli(['build', '--call=build', '-q'])).exitCode).toBe(0)
})
