import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OssbError, StepFailedError } from '../../../src/index.ts'
import { BUILT, fakeApi, runCli } from '../../support/cli-host.ts'
import { vertex } from '../../support/progress-script.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ossb-cli-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

const failing = (error: Error) =>
  fakeApi({
    async build() {
      throw error
    },
  })

describe('ossb build', () => {
  test('ends with the names and digests of the image, and its warnings', async () => {
    const api = fakeApi({
      build(_options, job) {
        job.emit({
          type: 'warning',
          rule: 'Rule',
          message: 'take care',
          source: { file: 'Dockerfile', startLine: 4, endLine: 4 },
        })
        return Promise.resolve(BUILT)
      },
    })
    const run = await runCli(['build', '-t', 'app:1'], api)
    expect(run).toMatchInlineSnapshot(`
      {
        "exitCode": 0,
        "stderr": "WARN: Rule: take care (line 4)

       1 warning found (use ossb build --check to expand):
       - Rule: take care (line 4)

      Built linux/amd64 in 0.6s
        digest  sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        name    docker.io/library/app:1
        output  store as docker.io/library/app:1
      ",
        "stdout": "",
      }
    `)
  })

  test('--quiet prints the image ID alone', async () => {
    expect(await runCli(['build', '-q'])).toEqual({
      exitCode: 0,
      stdout: `${BUILT.configDigest}\n`,
      stderr: '',
    })
  })

  test('--quiet prints nothing where standard output carries the result', async () => {
    expect(await runCli(['build', '-q', '-o', '-'])).toEqual({ exitCode: 0, stdout: '', stderr: '' })
  })

  test('--progress json ends with the result', async () => {
    const run = await runCli(['build', '--progress', 'json'])
    expect(JSON.parse(run.stderr.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      type: 'result',
      configDigest: BUILT.configDigest,
    })
  })

  test('--iidfile and --metadata-file are written after a good build', async () => {
    const [iid, metadata] = [join(directory, 'iid'), join(directory, 'metadata.json')]
    const run = await runCli(['build', '--iidfile', iid, '--metadata-file', metadata])
    expect(run.exitCode).toBe(0)
    expect(await readFile(iid, 'utf8')).toBe(BUILT.configDigest)
    const shortened = (await readFile(metadata, 'utf8')).replace(/sha256:(.)\1{63}/g, 'sha256:$1…')
    expect(shortened).toMatchInlineSnapshot(`
      "{
        "containerimage.config.digest": "sha256:b…",
        "containerimage.descriptor": {
          "digest": "sha256:a…",
          "mediaType": "application/vnd.oci.image.manifest.v1+json",
          "size": 500
        },
        "containerimage.digest": "sha256:a…",
        "image.name": "docker.io/library/app:1"
      }
      "
    `)
    expect((await readdir(directory)).sort()).toEqual(['iid', 'metadata.json'])
  })

  test('a failed build leaves no image ID of an earlier one, and the metadata as they were', async () => {
    const [iid, metadata] = [join(directory, 'iid'), join(directory, 'metadata.json')]
    await writeFile(iid, 'old')
    await writeFile(metadata, 'old')
    const run = await runCli(
      ['build', '--iidfile', iid, '--metadata-file', metadata],
      failing(new OssbError('ERR_OSSB_REGISTRY', 'Cannot pull')),
    )
    expect(run.exitCode).toBe(1)
    expect(await readdir(directory)).toEqual(['metadata.json'])
    expect(await readFile(metadata, 'utf8')).toBe('old')
  })

  test('--profile writes a trace, also of a failed build', async () => {
    const profile = join(directory, 'trace.json')
    for (const api of [fakeApi(), failing(new OssbError('ERR_OSSB_REGISTRY', 'Cannot pull'))]) {
      await runCli(['build', '--profile', profile], api)
      expect(JSON.parse(await readFile(profile, 'utf8')).traceEvents).toContainEqual(
        expect.objectContaining({ name: 'ossb build', ph: 'X' }),
      )
      await rm(profile)
    }
  })

  test('refuses a result file that could not be written, before the build', async () => {
    const run = await runCli(['build', '--iidfile', join(directory, 'none/iid')], failing(new Error('built')))
    expect(run.exitCode).toBe(1)
    expect(run.stderr).toContain(`ERROR: Cannot write "${directory}/none/iid": ENOENT`)
  })

  test('a failing RUN shows its last lines, the place in the Dockerfile, and passes its status on', async () => {
    const file = join(directory, 'Dockerfile')
    await writeFile(file, 'FROM scratch\nRUN make\n')
    const message = 'process "/bin/sh -c make" did not complete successfully: exit code: 7'
    const api = fakeApi({
      build(_options, job) {
        const step = { vertex: vertex('a') }
        job.emit({ ...step, type: 'started', name: '[2/2] RUN make' })
        const chunk = new TextEncoder().encode('no rule\n')
        job.emit({ ...step, type: 'log', stream: 'stderr', chunk })
        job.emit({ ...step, type: 'completed', name: '[2/2] RUN make', error: message })
        throw new StepFailedError(message, 7, {
          hint: 'See the lines above.',
          source: { file: 'Dockerfile', startLine: 2, endLine: 2, text: 'FROM scratch\nRUN make\n' },
        })
      },
    })
    expect(await runCli(['build', directory], api)).toMatchInlineSnapshot(`
      {
        "exitCode": 7,
        "stderr": "#1 [2/2] RUN make
      #1 0.100 no rule
      #1 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 7
      ------
       > [2/2] RUN make:
      0.100 no rule
      ------
      Dockerfile:2
      --------------------
         1 |     FROM scratch
         2 | >>> RUN make
      --------------------
      ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 7
      hint: See the lines above.
      ",
        "stdout": "",
      }
    `)
  })

  test('an error that nobody meant to throw asks for a report', async () => {
    const run = await runCli(['build', '-q'], failing(new TypeError('x is undefined')))
    expect(run.exitCode).toBe(1)
    expect(run.stderr).toMatch(/^ERROR: TypeError: x is undefined\n {4}at /)
    expect(run.stderr).toContain('hint: This is a mistake in ossb itself')
  })

  test('an interrupted build ends with the status of the signal', async () => {
    const controller = new AbortController()
    const api = fakeApi({
      build(_options, job) {
        controller.abort(new OssbError('ERR_OSSB_INTERRUPTED', 'Interrupted by SIGINT'))
        job.signal.throwIfAborted()
        return Promise.resolve(BUILT)
      },
    })
    const interruption = { signal: controller.signal, exitCode: () => 130 }
    expect(await runCli(['build'], api, { interruption })).toEqual({
      exitCode: 130,
      stdout: '',
      stderr: 'ERROR: Interrupted by SIGINT\n',
    })
  })
})

describe('the namespaces of the builder', () => {
  test('are entered with the same command, and the status of the process inside is the answer', async () => {
    let command: readonly string[] = []
    const api = fakeApi({
      build: () => Promise.reject(new Error('not here')),
      enterNamespace(options) {
        command = options.command
        return Promise.resolve(7)
      },
    })
    expect(await runCli(['build', '-t', 'a', '.'], api)).toEqual({ exitCode: 7, stdout: '', stderr: '' })
    expect(command).toEqual(['node', 'ossb.js', 'build', '-t', 'a', '.'])
  })

  test('are not entered for a command line that is wrong', async () => {
    const api = fakeApi({ enterNamespace: () => Promise.reject(new Error('entered')) })
    expect((await runCli(['build', '--push'], api)).exitCode).toBe(2)
  })
})
