import { describe, expect, test } from 'vitest'
import { type Job, OssbError } from '../../../../src/core/index.ts'
import { createDockerfileFrontend } from '../../../../src/frontends/index.ts'
import type { CheckReport, DockerfileInput } from '../../../../src/graph/index.ts'
import { inputOf, planText, resolveFake } from './fake-images.ts'

const job: Job = { signal: new AbortController().signal, emit: () => undefined }

async function check(text: string, input: Partial<DockerfileInput> = {}): Promise<CheckReport> {
  return await createDockerfileFrontend().check(inputOf(text, input), resolveFake, job)
}

async function findings(text: string, input: Partial<DockerfileInput> = {}): Promise<readonly string[]> {
  const { warnings, error } = await check(text, input)
  return [
    ...warnings.map(({ rule, detail, source }) => `${source.startLine} ${rule}: ${detail}`),
    ...(error === undefined ? [] : [`error: ${error.message}`]),
  ]
}

const PAGE = 'https://docs.docker.com/go/dockerfile/rule'

/** Each rule, with a file that breaks it once, the place, the text and the end of its page's address. */
const BREACHES: readonly (readonly [
  rule: string,
  text: string,
  place: string,
  page: string,
  input?: Partial<DockerfileInput>,
])[] = [
  ['StageNameCasing', 'FROM scratch AS Base', "1 Stage name 'Base' should be lowercase", 'stage-name-casing'],
  [
    'FromAsCasing',
    'FROM scratch as base',
    "1 'as' and 'FROM' keywords' casing do not match",
    'from-as-casing',
  ],
  [
    'NoEmptyContinuation',
    'FROM scratch\nLABEL \\\n\n  a=b \\\n  c=d\nLABEL e=f',
    '5 Empty continuation line',
    'no-empty-continuation',
  ],
  [
    'ConsistentInstructionCasing',
    'FROM scratch\nCopy a b',
    "2 Command 'Copy' should match the case of the command majority (uppercase)",
    'consistent-instruction-casing',
  ],
  [
    'DuplicateStageName',
    'FROM scratch AS a\nFROM scratch AS a',
    '2 Duplicate stage name "a", stage names should be unique',
    'duplicate-stage-name',
  ],
  [
    'ReservedStageName',
    'FROM debian AS context',
    '1 Stage name should not use the same name as reserved stage "context"',
    'reserved-stage-name',
  ],
  [
    'JSONArgsRecommended',
    'FROM scratch\nENTRYPOINT run it',
    '2 JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals',
    'json-args-recommended',
  ],
  [
    'MaintainerDeprecated',
    'FROM scratch\nMAINTAINER me',
    '2 Maintainer instruction is deprecated in favor of using label',
    'maintainer-deprecated',
  ],
  [
    'UndefinedArgInFrom',
    'ARG VERSION=1\nFROM debian:${VERSIO:-1}',
    "2 FROM argument 'VERSIO' is not declared (did you mean VERSION?)",
    'undefined-arg-in-from',
  ],
  [
    'WorkdirRelativePath',
    'FROM scratch\nWORKDIR a\nWORKDIR b',
    '2 Relative workdir "a" can have unexpected results if the base image changes',
    'workdir-relative-path',
  ],
  [
    'UndefinedVar',
    'FROM scratch\nARG NAME=1\nUSER ${NAMES:-x}',
    "3 Usage of undefined variable '$NAMES' (did you mean $NAME?)",
    'undefined-var',
  ],
  [
    'MultipleInstructionsDisallowed',
    'FROM scratch\nHEALTHCHECK NONE\nHEALTHCHECK NONE',
    '2 Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used',
    'multiple-instructions-disallowed',
  ],
  [
    'LegacyKeyValueFormat',
    'FROM scratch\nLABEL a b c',
    '2 "LABEL key=value" should be used instead of legacy "LABEL key value" format',
    'legacy-key-value-format',
  ],
  [
    'InvalidBaseImagePlatform',
    'FROM arm:1',
    '1 Base image arm:1 was pulled with platform "linux/arm64", expected "linux/amd64" for current build',
    '',
  ],
  [
    'RedundantTargetPlatform',
    'FROM --platform=${TARGETPLATFORM} scratch',
    '1 Setting platform to predefined ${TARGETPLATFORM} in FROM is redundant as this is the default behavior',
    'redundant-target-platform',
  ],
  [
    'SecretsUsedInArgOrEnv',
    'FROM scratch\nENV AWS_SECRET_ID=1 TOKEN_FILE=/x PUBLIC_KEY=2',
    '2 Do not use ARG or ENV instructions for sensitive data (ENV "AWS_SECRET_ID")',
    'secrets-used-in-arg-or-env',
  ],
  [
    'InvalidDefaultArgInFrom',
    'ARG TAG\nFROM debian:${TAG}',
    '2 Default value for ARG debian:${TAG} results in empty or invalid base image name',
    'invalid-default-arg-in-from',
    { buildArgs: { TAG: '1' } },
  ],
  [
    'FromPlatformFlagConstDisallowed',
    'FROM --platform=linux/amd64 scratch AS tool\nFROM --platform=linux/amd64 scratch AS tool-amd64',
    '1 FROM --platform flag should not use constant value "linux/amd64"',
    'from-platform-flag-const-disallowed',
  ],
  [
    'CopyIgnoredFile',
    'FROM scratch\nADD src/a ./tmp/b kept /x/',
    '2 Attempting to Add file "./tmp/b" that is excluded by .dockerignore',
    'copy-ignored-file',
    { ignorePatterns: ['tmp'] },
  ],
  [
    'InvalidDefinitionDescription',
    '# check=experimental=InvalidDefinitionDescription\n\n# a comment\nARG NAME=1\n# base is good\nFROM scratch AS base',
    '4 Comment for ARG should follow the format: `# NAME <description>`',
    'invalid-definition-description',
  ],
  [
    'ExposeProtoCasing',
    'FROM scratch\nEXPOSE 80/TCP',
    "2 Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
    'expose-proto-casing',
  ],
  [
    'ExposeInvalidFormat',
    'FROM scratch\nARG IP=127.0.0.1\nEXPOSE $IP:80:80',
    "3 EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
    'expose-invalid-format',
  ],
]

type Breach = readonly [
  rule: string,
  text: string,
  place: string,
  page: string,
  input: Partial<DockerfileInput>,
]

const RULES = BREACHES.map(
  ([rule, text, place, page, input = {}]): Breach => [rule, text, place, page, input],
)

describe('each rule', () => {
  test('there are 22', () => {
    expect(new Set(RULES.map(([rule]) => rule)).size).toBe(22)
  })

  test.each(RULES)('%s is found once, in its place and words', async (rule, text, place, page, input) => {
    const { warnings, error } = await check(text, input)
    expect(error).toBeUndefined()
    expect(warnings.map((warning) => `${warning.source.startLine} ${warning.detail}`)).toEqual([place])
    expect(warnings[0]).toMatchObject({ rule, description: expect.stringMatching(/^\S.*\w$/) })
    expect(warnings[0]?.url).toBe(page === '' ? undefined : `${PAGE}/${page}/`)
  })

  test.each(RULES)('%s warns in a build, too', async (rule, text, place, _page, input) => {
    const { warnings } = await planText(text, input)
    const [line = '', ...detail] = place.split(' ')
    expect(warnings).toContain(`${rule}: ${detail.join(' ')} (line ${line})`)
  })

  test.each(RULES)(
    '%s can be turned off, unless it is experimental',
    async (rule, text, _place, _page, input) => {
      if (rule === 'InvalidDefinitionDescription') {
        expect(await findings(text.replace('experimental=', 'skip=all;experimental='))).toHaveLength(1)
        expect(await findings(text.replace(/^.*\n/, ''))).toEqual([])
        return
      }
      expect(await findings(`# check=skip=Other,${rule}\n${text}`, input)).toEqual([])
      expect(await findings(`# check=skip=all and more\n${text}`, input)).toEqual([])
      const buildArgs = { ...input.buildArgs, BUILDKIT_DOCKERFILE_CHECK: `skip=${rule}` }
      expect(await findings(text, { ...input, buildArgs })).toEqual([])
    },
  )
})

test.each([
  ['nothing for a scratch image', 'FROM scratch', []],
  [
    'no majority is for upper case',
    'from scratch\nCMD []',
    [
      "1 ConsistentInstructionCasing: Command 'from' should match the case of the command majority (uppercase)",
    ],
  ],
  [
    'lower case needs a majority',
    'from scratch\nuser a\nUSER b',
    [
      "3 ConsistentInstructionCasing: Command 'USER' should match the case of the command majority (lowercase)",
    ],
  ],
  [
    'keywords are shown as they are written',
    'from scratch\ncmd x',
    [
      '2 JSONArgsRecommended: JSON arguments recommended for cmd to prevent unintended behavior related to OS signals',
    ],
  ],
  ['SHELL makes the shell form a choice', 'FROM scratch\nSHELL ["/bin/sh", "-c"]\nCMD x', []],
  ['the shell of a base image does, too', 'FROM configured:1\nCMD x', []],
  ['a variable of the base image is known', 'FROM configured:1\nUSER $LANG', []],
  ['an argument without a value is declared', 'FROM scratch\nARG A\nUSER x$A', []],
  ['attestation arguments need no declaration', 'FROM scratch\nUSER x$BUILDKIT_SBOM_SCAN_STAGE', []],
  ['an absolute WORKDIR of a parent stage counts', 'FROM scratch AS a\nWORKDIR /a\nFROM a\nWORKDIR b', []],
  [
    'that of a base image does not',
    'FROM configured:1\nWORKDIR b',
    ['2 WorkdirRelativePath: Relative workdir "b" can have unexpected results if the base image changes'],
  ],
  [
    'a comment above skips for one instruction',
    'FROM scratch\n# check=skip=UndefinedVar\nUSER $a\nUSER $b',
    ["4 UndefinedVar: Usage of undefined variable '$b'"],
  ],
  [
    'in a comment, too, the name of the directive is in any case',
    'FROM scratch\n# Check = skip=UndefinedVar\nUSER $a',
    [],
  ],
  [
    'names of rules are exact',
    'FROM scratch\n# check=skip=undefinedvar\nUSER $a',
    ["3 UndefinedVar: Usage of undefined variable '$a'"],
  ],
  [
    'heredocs are expanded',
    'FROM scratch\nCOPY <<A <<"B" /\n$x\nA\n$y\nB',
    ["2 UndefinedVar: Usage of undefined variable '$x'"],
  ],
  ['commands are not', 'FROM scratch\nRUN echo $x', []],
  [
    'mounts are',
    'FROM scratch\nRUN --mount=target=/a$x echo',
    ["2 UndefinedVar: Usage of undefined variable '$x'"],
  ],
  [
    'every stage is looked at',
    'FROM scratch AS a\nUSER $a\nFROM scratch',
    ["2 UndefinedVar: Usage of undefined variable '$a'"],
  ],
  [
    'a mistake that ends a build is told with the rest',
    'FROM scratch AS A\nEXPOSE x',
    ["1 StageNameCasing: Stage name 'A' should be lowercase", 'error: invalid containerPort: x'],
  ],
  [
    'error=true makes it an error',
    '# check=error=true\nFROM scratch AS A\nFROM scratch as b',
    [
      "2 StageNameCasing: Stage name 'A' should be lowercase",
      "3 FromAsCasing: 'as' and 'FROM' keywords' casing do not match",
      'error: lint violation found for rules: FromAsCasing, StageNameCasing',
    ],
  ],
  [
    'an option of check that is none',
    '# check=skipp=all\nFROM scratch',
    ['error: invalid check option "skipp"'],
  ],
  [
    'an option of check without a value',
    '# check=skip\nFROM scratch',
    ['error: invalid check option "skip"'],
  ],
  [
    'an option of check with a value that is none',
    '# check=error=maybe\nFROM scratch',
    ['error: failed to parse check option "error": invalid syntax "maybe"'],
  ],
  ['error=true without a finding', '# check=error=True\nFROM scratch', []],
  [
    'error=F is false',
    '# check=error=F\nFROM scratch AS A',
    ["2 StageNameCasing: Stage name 'A' should be lowercase"],
  ],
  [
    'what comes after the second semicolon is one option',
    '# check=skip=A;experimental=B;error=true;skip=all\nFROM scratch AS A',
    ['error: failed to parse check option "error": invalid syntax "true;skip=all"'],
  ],
  [
    'scratch is reserved, too',
    'FROM debian AS scratch',
    ['1 ReservedStageName: Stage name should not use the same name as reserved stage "scratch"'],
  ],
  [
    'each instruction that only counts once, in one stage',
    'FROM debian\nCMD []\nENTRYPOINT []\nCMD []\nENTRYPOINT []\nentrypoint []\nFROM debian\nCMD []',
    [
      '2 MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used',
      '3 MultipleInstructionsDisallowed: Multiple ENTRYPOINT instructions should not be used in the same stage because only the last one will be used',
      '5 MultipleInstructionsDisallowed: Multiple entrypoint instructions should not be used in the same stage because only the last one will be used',
      "6 ConsistentInstructionCasing: Command 'entrypoint' should match the case of the command majority (uppercase)",
    ],
  ],
  [
    'descriptions of arguments in stages, and of several at once',
    '# check=experimental=all\nFROM debian\n# A is good\nARG A B\n# B is good\n# other\nARG A B\n\n#\nARG C',
    ['7 InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>`'],
  ],
  [
    'any part of the name of a variable',
    'FROM scratch\nARG auth MY_PASSWD=1 KEYS TOKENIZER SECRET_VERSION\nLABEL password=1',
    [
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "auth")',
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "MY_PASSWD")',
    ],
  ],
  [
    'a platform by a variable is no constant, whatever it is',
    'ARG P=linux/amd64\nFROM --platform=$P scratch\nFROM --platform=${Q:-linux/amd64} scratch',
    ["3 UndefinedArgInFrom: FROM argument 'Q' is not declared (did you mean P?)"],
  ],
  [
    'a constant platform that the name of the stage says, or that is none',
    'FROM --platform=linux/arm64 debian AS for-linux\nFROM --platform=linux/arm64 debian AS x-arm64',
    [],
  ],
  [
    'only the platform of the target alone is redundant',
    'FROM --platform=$TARGETPLATFORM scratch\nFROM --platform=$TARGETOS/$TARGETARCH scratch\nFROM --platform=$BUILDPLATFORM scratch',
    [
      '1 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
    ],
  ],
  [
    'a base that is no name in a registry needs no default',
    'FROM oci-layout:///a/B:c\nFROM oci-archive:///A\nFROM docker-archive:/A',
    [],
  ],
  [
    'keywords are counted in stages, and mixed ones are never right',
    'arg A\narg B\nFROM scratch\nUser a\nUSER b\nuser c',
    [
      "4 ConsistentInstructionCasing: Command 'User' should match the case of the command majority (uppercase)",
      "6 ConsistentInstructionCasing: Command 'user' should match the case of the command majority (uppercase)",
    ],
  ],
  [
    'a relative WORKDIR counts once, in each stage',
    'FROM scratch AS a\nWORKDIR a\nWORKDIR b\nFROM scratch\nWORKDIR c\nFROM a\nWORKDIR d',
    [
      '2 WorkdirRelativePath: Relative workdir "a" can have unexpected results if the base image changes',
      '5 WorkdirRelativePath: Relative workdir "c" can have unexpected results if the base image changes',
    ],
  ],
  [
    'each use of a variable in a flag, a name and a value',
    'FROM scratch\nCOPY --chown=$a b c\nLABEL $d=1\nENV e=$e$g',
    [
      "2 UndefinedVar: Usage of undefined variable '$a'",
      "3 UndefinedVar: Usage of undefined variable '$d'",
      "4 UndefinedVar: Usage of undefined variable '$e'",
      "4 UndefinedVar: Usage of undefined variable '$g'",
    ],
  ],
  [
    'all empty lines of an instruction are one finding, at its last line',
    'FROM scratch\nLABEL \\\n\n a=b \\\n\n c=d\nRUN <<E\n\nE',
    ['6 NoEmptyContinuation: Empty continuation line'],
  ],
  [
    'a blank base of a stage that nothing needs',
    'FROM $X AS a\nFROM scratch',
    ["1 UndefinedArgInFrom: FROM argument 'X' is not declared", 'error: base name ($X) should not be blank'],
  ],
])('%s', async (_name, text, expected) => {
  expect(await findings(text)).toEqual(expected)
})

test('what is found for each of several platforms is told once', async () => {
  const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }))
  const { warnings } = await planText('FROM scratch\nUSER $a', { platforms })
  expect(warnings).toEqual(["UndefinedVar: Usage of undefined variable '$a' (line 2)"])
})

test('a suggestion is made among the variables of the stage', async () => {
  const text = 'ARG GLOBAL=1\nFROM scratch\nENV HOME_DIR=/\nUSER $HOME_DUR\nUSER $GLOBALS\nUSER $home_dir'
  expect(await findings(text)).toEqual([
    "4 UndefinedVar: Usage of undefined variable '$HOME_DUR' (did you mean $HOME_DIR?)",
    "5 UndefinedVar: Usage of undefined variable '$GLOBALS'",
    "6 UndefinedVar: Usage of undefined variable '$home_dir'",
  ])
})

test('with a target the stages that it needs are looked at, and no other', async () => {
  const text = 'FROM scratch AS a\nUSER $a\nFROM scratch AS b\nUSER $b\nFROM a\nUSER $c'
  expect(await findings(text, { target: '2' })).toEqual([
    "2 UndefinedVar: Usage of undefined variable '$a'",
    "6 UndefinedVar: Usage of undefined variable '$c'",
  ])
})

test('a negative pattern leaves the ignore file out of it', async () => {
  const text = 'FROM scratch\nCOPY tmp/a .\nCOPY . /'
  expect(await findings(text, { ignorePatterns: ['tmp', '!tmp/b'] })).toEqual([])
  expect(await findings(text, { ignorePatterns: ['*'] })).toHaveLength(2)
  expect(await findings(text, { ignorePatterns: ['tmp'] })).toHaveLength(1)
})

test('an image that cannot be found is named, and the rest is checked', async () => {
  const report = await check('FROM missing:1\nUSER $a\nCMD x')
  expect(report.unresolved).toEqual([{ reference: 'missing:1', reason: 'Cannot find the image "missing:1"' }])
  expect(report.warnings.map(({ rule }) => rule)).toEqual(['UndefinedVar', 'JSONArgsRecommended'])
  expect(report.error).toBeUndefined()
})

test('an image that files are copied from is not looked for', async () => {
  const report = await check('FROM scratch\nCOPY --from=missing:1 /a /')
  expect(report).toMatchObject({ unresolved: [], warnings: [] })
})

test('a syntax error is the only finding', async () => {
  const { error, warnings } = await check('FROM scratch AS A\nFOO')
  expect(warnings).toEqual([])
  expect(error).toBeInstanceOf(OssbError)
  expect(error?.source).toMatchObject({ startLine: 2 })
})

describe('outline', () => {
  const outline = async (text: string, input: Partial<DockerfileInput> = {}) => {
    const { file: _file, ...rest } = await createDockerfileFrontend().outline(inputOf(text, input), job)
    const lines = (items: readonly { readonly source: { readonly startLine: number } }[]) =>
      items.map(({ source, ...item }) => ({ ...item, line: source.startLine }))
    return {
      ...rest,
      args: lines(rest.args),
      secrets: lines(rest.secrets),
      ssh: lines(rest.ssh),
      caches: lines(rest.caches),
    }
  }

  test('lists what the target takes, and no other stage', async () => {
    const text = `
# REGISTRY where images are
ARG REGISTRY=localhost
ARG BASE=$REGISTRY/base
ARG UNUSED=1
ARG TAG=latest
FROM \${BASE}:1 AS base
# LEVEL how hard to try
ARG LEVEL=3 TARGETARCH
RUN --mount=type=secret,id=token --mount=type=cache,target=/cache true
RUN --mount=type=secret,id=token,required true
FROM scratch AS other
ARG OTHER
# app the program
FROM base AS app
ARG TAG
ARG FREE
RUN --mount=type=ssh,required true
`
    expect(await outline(text, { buildArgs: { LEVEL: '9' } })).toEqual({
      name: 'app',
      description: 'the program',
      args: [
        { name: 'REGISTRY', description: 'where images are', value: 'localhost', line: 3 },
        { name: 'BASE', value: 'localhost/base', line: 4 },
        { name: 'TAG', value: 'latest', line: 6 },
        { name: 'LEVEL', description: 'how hard to try', value: '9', line: 9 },
        { name: 'FREE', line: 17 },
      ],
      secrets: [{ id: 'token', required: true, line: 10 }],
      ssh: [{ id: 'default', required: true, line: 18 }],
      caches: [{ id: '/cache', required: false, line: 10 }],
    })
    expect((await outline(text, { target: 'other' })).args).toEqual([{ name: 'OTHER', line: 13 }])
  })
})

test('targets lists every stage as it is written', () => {
  const text =
    '# A is no name\nFROM scratch AS a\nFROM --platform=$BUILDPLATFORM $X\n# B has two\n# b the end\nFROM a AS b'
  const { targets } = createDockerfileFrontend().targets(inputOf(text, {}))
  expect(targets.map(({ source, ...target }) => ({ ...target, line: source.startLine }))).toEqual([
    { name: 'a', isDefault: false, base: 'scratch', line: 2 },
    { isDefault: false, base: '$X', platform: '$BUILDPLATFORM', line: 3 },
    { name: 'b', description: 'the end', isDefault: true, base: 'a', line: 6 },
  ])
})
