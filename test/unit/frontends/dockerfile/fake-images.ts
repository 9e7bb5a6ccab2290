import type { BuildEvent, Job, Platform } from '../../../../src/core/index.ts'
import { digestOf, OssbError } from '../../../../src/core/index.ts'
import { createDockerfileFrontend } from '../../../../src/frontends/index.ts'
import type { ConfigResolver, DockerfileInput, Plan } from '../../../../src/graph/index.ts'
import type { ImageConfig } from '../../../../src/oci/index.ts'

const AMD64: Platform = { os: 'linux', architecture: 'amd64' }

type BaseConfig = Omit<Partial<ImageConfig>, 'rootfs'> & { readonly layers?: number }

/** Base images by reference; any other reference that does not begin with "missing" is a plain Debian. */
const BASES: Readonly<Record<string, BaseConfig>> = {
  'configured:1': {
    author: 'base author',
    config: {
      User: 'app',
      ExposedPorts: { '80/tcp': {} },
      Env: ['PATH=/base/bin', 'LANG=C.UTF-8'],
      Entrypoint: ['/entry'],
      Cmd: ['serve'],
      Volumes: { '/data': {} },
      WorkingDir: '/srv',
      Labels: { base: 'yes' },
      StopSignal: 'SIGQUIT',
      Shell: ['/bin/bash', '-c'],
    },
    history: [
      { created: '2024-01-01T00:00:00Z', created_by: 'base layer' },
      { created: '2024-01-01T00:00:00Z', created_by: 'base env', empty_layer: true },
    ],
    layers: 1,
  },
  'triggers:1': {
    config: { Env: ['PATH=/bin'], OnBuild: ['COPY . /app', 'RUN make', 'ENV FROM_TRIGGER=1'] },
    history: [],
    layers: 2,
  },
  'arm:1': { architecture: 'arm64', config: { Env: ['PATH=/bin'] }, layers: 0 },
  'old-trigger:1': { config: { OnBuild: ['MAINTAINER x'] }, layers: 0 },
  'wrong-trigger:1': { config: { OnBuild: ['COPY x'] }, layers: 0 },
  'double-trigger:1': { config: { OnBuild: ['RUN a\nRUN b'] }, layers: 0 },
  'bare:1': { config: { Env: ['A=1'], Labels: { b: '2' } }, layers: 0 },
  'bad-trigger:1': { config: { OnBuild: ['FROM x'] }, layers: 0 },
}

const DEBIAN: BaseConfig = {
  config: { Env: ['PATH=/usr/bin:/bin'], Cmd: ['bash'] },
  history: [{ created: '2024-01-01T00:00:00Z', created_by: 'debian rootfs' }],
  layers: 1,
}

/** A resolver that makes images up, and remembers what it was asked for. */
function fakeImages(): { readonly resolve: ConfigResolver; readonly asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    async resolve(reference, platform) {
      asked.push(reference)
      if (reference.startsWith('missing'))
        throw new OssbError('ERR_OSSB_NOT_FOUND', `Cannot find the image "${reference}"`)
      const { layers = 0, ...config } = BASES[reference] ?? DEBIAN
      return {
        manifest: {
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          digest: digestOf(`${reference} ${platform.architecture}`),
          size: 500,
        },
        config: {
          os: platform.os,
          architecture: platform.architecture,
          ...config,
          rootfs: {
            type: 'layers',
            diff_ids: Array.from({ length: layers }, (_, i) => digestOf(`${reference} ${i}`)),
          },
        },
      }
    },
  }
}

/** Finds made-up images. */
export const resolveFake: ConfigResolver = fakeImages().resolve

/** A Dockerfile for linux/amd64, with what a test adds. */
export function inputOf(text: string, input: Partial<DockerfileInput>): DockerfileInput {
  return {
    file: { name: 'Dockerfile', text },
    platforms: [AMD64],
    buildPlatform: AMD64,
    buildArgs: {},
    labels: {},
    namedContexts: [],
    ...input,
  }
}

export interface Planned {
  readonly plans: readonly Plan[]
  readonly warnings: readonly string[]
  readonly asked: readonly string[]
}

/** Plans a Dockerfile for linux/amd64 with made-up base images. */
export async function planText(text: string, input: Partial<DockerfileInput> = {}): Promise<Planned> {
  const events: BuildEvent[] = []
  const job: Job = { signal: new AbortController().signal, emit: (event) => events.push(event) }
  const images = fakeImages()
  const plans = await createDockerfileFrontend().plan(inputOf(text, input), images.resolve, job)
  const warnings = events.flatMap((event) =>
    event.type === 'warning' ? [`${event.rule}: ${event.message} (line ${event.source?.startLine})`] : [],
  )
  return { plans, warnings, asked: images.asked }
}
