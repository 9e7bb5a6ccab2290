import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { OssbError } from '../../../../src/core/index.ts'
import { INSTRUCTION_NAMES } from '../../../../src/frontends/dockerfile/parser.ts'
import { planText } from './fake-images.ts'

async function errorOf(text: string): Promise<OssbError> {
  try {
    await planText(text)
  } catch (error) {
    if (error instanceof OssbError) return error
    throw error
  }
  throw new Error('no error')
}

test.each([
  ['USER a b'.slice(0, 4), 'USER requires exactly one argument'],
  ['WORKDIR', 'WORKDIR requires exactly one argument'],
  ['STOPSIGNAL', 'STOPSIGNAL requires exactly one argument'],
  ['MAINTAINER', 'MAINTAINER requires exactly one argument'],
  ['ENV', 'ENV requires at least one argument'],
  ['LABEL', 'LABEL requires at least one argument'],
  ['EXPOSE', 'EXPOSE requires at least one argument'],
  ['VOLUME', 'VOLUME requires at least one argument'],
  ['VOLUME []', 'VOLUME requires at least one argument'],
  ['SHELL []', 'SHELL requires at least one argument'],
  ['ONBUILD', 'ONBUILD requires at least one argument'],
  ['HEALTHCHECK', 'HEALTHCHECK requires at least one argument'],
  ['ARG', 'ARG requires at least one argument'],
  ['VOLUME [""]', 'VOLUME specified can not be an empty string'],
  ['ARG =x', 'ARG names can not be blank'],
  ['ENV =x', 'ENV names can not be blank'],
  ['LABEL =x', 'LABEL names can not be blank'],
  ['CMD --x y', 'unknown flag: --x'],
  ['RUN --network=foo x', 'invalid network mode "foo"'],
  ['RUN --network=$A x', 'invalid network mode "$A"'],
  ['RUN --security=foo x', 'security "foo" is not valid'],
  ['RUN --security=$A x', 'security "$A" is not valid'],
  ['RUN --device=a/b=c x', 'device feature is only supported in Dockerfile frontend 1.14.0-labs or later'],
  ['RUN --mount=foo x', "invalid field 'foo' must be a key=value pair"],
  [
    'RUN --mount=from=$a,target=/x x',
    "'from' doesn't support variable expansion, define alias stage instead",
  ],
  ['HEALTHCHECK NONE x', 'HEALTHCHECK NONE takes no arguments'],
  ['HEALTHCHECK CMD', 'Missing command after HEALTHCHECK CMD'],
  ['HEALTHCHECK --interval=1us CMD x', 'Interval "interval" cannot be less than 1ms'],
  ['HEALTHCHECK --interval=x CMD x', 'time: invalid duration "x"'],
  ['HEALTHCHECK --retries=-1 CMD x', '--retries cannot be negative (-1)'],
  ['HEALTHCHECK --retries=x CMD x', '--retries must be a number, not "x"'],
  ['ONBUILD MAINTAINER x', "MAINTAINER isn't allowed as an ONBUILD trigger"],
  ['COPY a <<EOF\nEOF', 'COPY cannot accept a heredoc as a destination'],
  ['ADD --from=x a b', 'unknown flag: --from'],
  ['ADD --parents a b', 'unknown flag: --parents'],
  ['FROM debian AS', 'FROM requires either one or three arguments'],
  ['FROM debian like a', 'FROM requires either one or three arguments'],
  ['FROM debian AS a b', 'FROM requires either one or three arguments'],
  [
    'ADD x',
    'ADD requires at least two arguments, but only one was provided. Destination could not be determined',
  ],
  ['FOO --x y', 'unknown instruction: FOO (did you mean FROM?)'],
])('%s fails on its line', async (line, message) => {
  const error = await errorOf(`FROM debian\n\n${line}\n`)
  expect(error.message).toBe(`dockerfile parse error on line 3: ${message}`)
  expect(error.source).toMatchObject({ file: 'Dockerfile', startLine: 3 })
})

test.each([
  ['RUN []', 'arguments are required'],
  [`WORKDIR ${'/a'.repeat(2048)}`, 'the working directory is longer than 4095 characters'],
  [`EXPOSE${' 1-65535'.repeat(8)}`, 'EXPOSE names more than 500000 ports'],
  ['VOLUME /a $A', 'VOLUME specified can not be an empty string'],
  ['RUN --mount=type=foo,target=/x y', 'unsupported mount type "foo"'],
  ['RUN --mount=target=/x,mode=1 y', 'mode not allowed for "bind" type mounts'],
  ['RUN --mount=type=tmpfs,target=/x,sharing=locked y', 'invalid cache sharing set for tmpfs mount'],
  ['RUN --mount=target=/x,required y', "unexpected key 'required' for mount type 'bind'"],
  ['RUN --mount=target=/x,size=1 y', "unexpected key 'size' for mount type 'bind'"],
  ['RUN --mount=target=/x,ro=2 y', 'invalid value for ro: 2'],
  ['RUN --mount=type=secret y', 'invalid secret mount. one of source, target required'],
  ['RUN --mount=target=/ y', 'invalid mount target "/"'],
  ['RUN --mount=target=/x,from=9 y', 'invalid stage index 9'],
  ['COPY git@github.com:a/b.git /', "source can't be a git ref for COPY"],
  ['COPY https://a/b.git#main /', "source can't be a git ref for COPY"],
  ['COPY http://a/b /', "source can't be a URL for COPY"],
  ['ADD --checksum=sha256:1 http://a/b http://a/c /', "checksum can't be specified for multiple sources"],
  ['ADD --checksum=sha256:1 http://a/b /', 'invalid checksum digest format'],
  [
    'COPY --chmod=77777 a /',
    "invalid chmod parameter: '77777'. it should be octal string and between 0 and 07777",
  ],
  [
    'COPY --chmod=u=q a /',
    "invalid chmod parameter: 'u=q'. it should be octal string and between 0 and 07777",
  ],
  ['EXPOSE 70000', 'invalid containerPort: 70000'],
  ['EXPOSE 9-8', 'invalid containerPort: 9-8'],
  ['EXPOSE 9-x', 'invalid containerPort: 9-x'],
  ['EXPOSE x-9', 'invalid containerPort: x-9'],
  ['EXPOSE 1:-1', 'invalid containerPort: -1'],
  ['EXPOSE 80:/udp', 'invalid port: "80:/udp": no port specified'],
  ['STOPSIGNAL 0', 'invalid signal: 0'],
  ['COPY <<../../x /y\nz\n../../x', 'the heredoc "../../x" cannot be a file: its name is a path'],
])('%s fails where it is carried out', async (line, message) => {
  const error = await errorOf(`FROM debian\n\n${line}\n`)
  expect(error.message).toBe(message)
  expect(error.source).toMatchObject({ file: 'Dockerfile', startLine: 3 })
})

test.each([
  ['ONBUILD USER a\n', 251, 'the stages carry out more than 50000 ONBUILD triggers'],
  [
    `ONBUILD USER ${'a'.repeat(20_000)}\n`,
    5,
    'the ONBUILD triggers that stages carry out have more than 16777216 characters',
  ],
])('triggers cannot multiply without an end', async (trigger, stages, message) => {
  const file = `FROM debian AS a\n${trigger.repeat(200)}`
  const children = Array.from({ length: stages }, (_, i) => `FROM a AS s${i}\n`).join('')
  const all = Array.from({ length: stages }, (_, i) => `COPY --from=s${i} /a /\n`).join('')
  const error = await errorOf(`${file}${children}FROM scratch\n${all}`)
  expect([error.message, error.source?.startLine]).toEqual([message, 201 + stages])
})

test.each(['SIGKILL', 'kill', '9', 'RTMIN+3', 'sigrtmax-1'])('STOPSIGNAL takes %s', async (signal) => {
  const { plans } = await planText(`FROM debian\nSTOPSIGNAL ${signal}\n`)
  expect(plans[0]?.config.config?.StopSignal).toBe(signal)
})

test.each([
  ['0', '0/tcp'],
  ['65535/SCTP', '65535/sctp'],
  ['80/', '80/tcp'],
  ['127.0.0.1::1-2/udp', '1/udp 2/udp'],
])('EXPOSE takes %s', async (port, exposed) => {
  const { plans } = await planText(`FROM debian\nEXPOSE ${port}\n`)
  expect(Object.keys(plans[0]?.config.config?.ExposedPorts ?? {}).join(' ')).toBe(exposed)
})

test('any text gives a plan or one OssbError', async () => {
  const line = fc.tuple(
    fc.constantFrom(...INSTRUCTION_NAMES, 'from', 'FOO'),
    fc.array(
      fc.constantFrom(
        ' ',
        '\\',
        '\n',
        '"',
        "'",
        '$a',
        '${',
        '}',
        '[',
        ']',
        '<<E',
        '\nE\n',
        '--',
        '=',
        '#',
        'x',
        ',',
      ),
      { maxLength: 12 },
    ),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 6 }), async (lines) => {
      const text = lines.map(([name, rest]) => `${name} ${rest.join('')}\n`).join('')
      const result = await planText(`FROM debian\n${text}`).catch((error: unknown) => error)
      if (result instanceof Error) expect(result).toBeInstanceOf(OssbError)
    }),
    { numRuns: 1500 },
  )
})

test('a long chain of stages is planned', async () => {
  const stages = Array.from({ length: 3000 }, (_, i) => `FROM ${i === 0 ? 'debian' : `s${i - 1}`} AS s${i}\n`)
  const { plans } = await planText(`${stages.join('')}RUN x\n`)
  expect(plans[0]?.root.name).toBe('[s2999 1/1] RUN x')
})

test('a stage that is meant but not named is named in the hint', async () => {
  const file = 'FROM debian AS build\nFROM debian\n'
  const mistyped = await errorOf(`${file}COPY --from=biuld /a /\n`).catch((error: unknown) => error)
  // Any name is an image, and these images are all found.
  expect(mistyped).toEqual(new Error('no error'))
  const missing = await errorOf('FROM debian AS missing1\nFROM debian\nCOPY --from=missing2 /a /\n')
  expect(missing.hint).toBe('There is no stage "missing2" (did you mean missing1?).')
  const target = await planText(file, { target: 'test' }).catch((error: unknown) => error)
  expect(target).toMatchObject({ hint: 'Stages of the file: build.' })
  const unnamed = await planText('FROM debian', { target: '1' }).catch((error: unknown) => error)
  expect(unnamed).toMatchObject({ hint: 'No stage of the file has a name: give the number of one, from 0.' })
})

test.each([
  ['BUILDKIT_INLINE_CACHE', '1'],
  ['BUILDKIT_ATTEST_SBOM', 'generator=x'],
])('a build argument %s that is not carried out is an error', async (name, value) => {
  const failed = await planText('FROM debian', { buildArgs: { [name]: value } }).catch(
    (error: unknown) => error,
  )
  expect(failed).toMatchObject({
    code: 'ERR_OSSB_USAGE',
    message: expect.stringContaining(`${name}=${value}`),
  })
  for (const off of ['', '0', 'F', 'False']) await planText('FROM debian', { buildArgs: { [name]: off } })
})

test('a build for Windows is refused', async () => {
  const platforms = [{ os: 'windows', architecture: 'amd64' }]
  const failed = await planText('FROM scratch\nCMD x', { platforms }).catch((error: unknown) => error)
  expect(failed).toMatchObject({
    code: 'ERR_OSSB_USAGE',
    message: 'Cannot build for windows/amd64: Windows images are not built',
  })
})

test.each([
  ['ENV A=1 # why', 'A comment is a line of its own; anywhere else "#" is text.'],
  ['ENV A=1 B', 'A value with blanks is written in quotes: NAME="first second".'],
  [
    'RUN --mount=type=secret,id=x,requird x',
    'Without a value there are only readonly, ro, readwrite, rw, required.',
  ],
])('%s has a hint', async (line, hint) => {
  expect(await errorOf(`FROM debian\n${line}`)).toMatchObject({ hint })
})
