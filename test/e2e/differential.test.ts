import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { differentialBase } from '../support/base-image.ts'
import { type BuildahImage, type BuildahStore, createBuildahStore } from '../support/buildah-store.ts'
import { differences, type RootfsListing } from '../support/compare-rootfs.ts'
import {
  correctedConfig,
  correctedFiles,
  type DifferentialCase,
  differentialCases,
  writeCase,
} from '../support/differential-case.ts'
import { identities } from '../support/identity.ts'
import { toolDirectory, unpackedFiles } from '../support/oracle.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

/** Where the isolation of a RUN may leave traces with buildah, and the root itself, whose owner is the base's business. */
const NOT_COMPARED = ['/', '/dev', '/proc', '/sys', '/run']
const FIELDS =
  'User ExposedPorts Env Entrypoint Cmd Volumes WorkingDir Labels StopSignal Healthcheck Shell OnBuild author'
const BASE = 'localhost/base:1'

interface Built {
  readonly config: Readonly<Record<string, unknown>>
  readonly files: RootfsListing
}

const cases = await differentialCases()
const identity = (await identities()).at(-1) ?? fail('nobody can build here')

let workspace: Workspace
let storage: Awaited<ReturnType<typeof toolDirectory>>
let store: BuildahStore
let base: string

beforeAll(async () => {
  base = await differentialBase()
  workspace = await createWorkspace(identity)
  storage = await toolDirectory()
  store = await createBuildahStore(storage.path, base)
})

afterAll(async () => {
  await workspace?.[Symbol.asyncDispose]()
  await storage?.[Symbol.asyncDispose]()
})

test('there are at least 80 cases', () => {
  expect(cases.length).toBeGreaterThanOrEqual(80)
})

test.concurrent.for(cases)('$name: the image is the one that buildah makes', async (one, { expect }) => {
  const directory = workspace.file(`cases/${one.name}`)
  const context = join(directory, 'context')
  await writeCase(one, directory, identity)
  const { error, differs } = one.settings
  if (error !== undefined) {
    const result = await workspace.ossb(await ossbArguments(one, directory))
    expect(result.status).toBeGreaterThan(0)
    expect(result.stderr).toContain(error)
    if (differs === undefined) await expect(buildWithBuildah(one, context)).rejects.toThrow('buildah')
    return
  }
  const theirs = await buildWithBuildah(one, context)
  const ours = await buildWithOssb(one, directory)
  const different = [
    ...differences(ours.files, correctedFiles(theirs.files, one), NOT_COMPARED),
    ...differences(fields(ours.config), fields(correctedConfig(theirs.config, one))),
  ]
  expect(different, `what differs, ossb | buildah:\n${different.join('\n')}`).toEqual([])
})

async function buildWithBuildah(one: DifferentialCase, context: string): Promise<BuildahImage> {
  const { target, args } = one.settings
  const build = (name: string, dockerfile: string, from: string): Promise<BuildahImage> =>
    store.build({
      context,
      dockerfile: join(context, dockerfile),
      name: `localhost/${name}:latest`,
      args: { ...args, BASE: from },
      ...(target === undefined ? {} : { target }),
    })
  const hasBase = one.file('Dockerfile.base') !== undefined
  if (hasBase) await build(`${one.name}-base`, 'Dockerfile.base', BASE)
  const dockerfile = one.file('Dockerfile.buildah') === undefined ? 'Dockerfile' : 'Dockerfile.buildah'
  return build(one.name, dockerfile, hasBase ? `localhost/${one.name}-base:latest` : BASE)
}

async function buildWithOssb(one: DifferentialCase, directory: string): Promise<Built> {
  await workspace.mustOssb(await ossbArguments(one, directory))
  const layout = join(directory, 'image')
  await using tools = await toolDirectory()
  return { config: await layoutConfig(layout), files: await unpackedFiles(tools.path, `${layout}:latest`) }
}

/** Builds the base of the case, where it has one. */
async function ossbArguments(one: DifferentialCase, directory: string): Promise<string[]> {
  const context = join(directory, 'context')
  const { target, args } = one.settings
  const build = (name: string, dockerfile: string, from: string): string[] => [
    'build',
    `--output=type=oci,tar=false,compression=uncompressed,dest=${join(directory, name)}`,
    `--file=${join(context, dockerfile)}`,
    `--build-arg=BASE=oci-layout://${from}`,
    '--tag=image',
    ...Object.entries(args ?? {}).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
    ...(target === undefined ? [] : ['--target', target]),
    context,
  ]
  if (one.file('Dockerfile.base') === undefined) return build('image', 'Dockerfile', `${base}:base`)
  await workspace.mustOssb(build('base', 'Dockerfile.base', `${base}:base`))
  return build('image', 'Dockerfile', join(directory, 'base'))
}

/** The config as it is written: tools that read it into their own types lose fields. */
async function layoutConfig(layout: string): Promise<Record<string, unknown>> {
  const json = async <T>(path: string): Promise<T> =>
    JSON.parse(await readFile(join(layout, path), 'utf8')) as T
  const blob = <T>(digest: string): Promise<T> => json(`blobs/${digest.replace(':', '/')}`)
  const index = await json<{ manifests: [{ digest: string }] }>('index.json')
  const manifest = await blob<{ config: { digest: string } }>(index.manifests[0].digest)
  const { config, author } = await blob<{ config: object; author?: string }>(manifest.config.digest)
  return { ...config, author }
}

/** The fields that are compared, as JSON; empty ones count as absent. */
function fields(config: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> {
  const named = FIELDS.split(' ').map((name) => [name, JSON.stringify(config[name] ?? '')] as const)
  return new Map(named.filter(([, json]) => !['{}', '[]', '""'].includes(json)))
}

function fail(message: string): never {
  throw new Error(message)
}
