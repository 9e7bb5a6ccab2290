import { digestHex, formatPlatform, hostPlatform, type Platform } from './core/index.ts'
import { type Plan, topological } from './graph/index.ts'
import type { LockEntry } from './inputs/index.ts'
import { type Attestation, packageUrl } from './oci/index.ts'
import type { BuildOptions } from './options/index.ts'

const BUILD_TYPE = 'https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md'

export interface ProvenanceParts {
  readonly plan: Plan
  /** What the build took from elsewhere. */
  readonly inputs: readonly LockEntry[]
  readonly dockerfile: { readonly name: string; readonly text: string }
  readonly started: Date
  readonly finished: Date
}

/**
 * How an image was made, as SLSA provenance (v1) in BuildKit's form. `min` holds no value of a build argument and no name
 * of a secret, `max` holds the arguments, the names of secrets and SSH agents, and the text of the Dockerfile. Secrets
 * themselves are in neither. With `reproducible` nothing of it depends on when the build ran.
 */
export function provenanceOf(options: BuildOptions, parts: ProvenanceParts): Attestation {
  const { provenance, reproducible = false } = options
  const isFull = provenance?.mode === 'max'
  const { plan, inputs, dockerfile, started, finished } = parts
  return {
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: {
          configSource: { path: dockerfile.name },
          request: {
            frontend: 'dockerfile.v0',
            ...(isFull ? requestDetails(options) : {}),
            locals: [{ name: 'context' }, { name: 'dockerfile' }],
          },
        },
        internalParameters: { builderPlatform: formatPlatform(hostPlatform()) },
        resolvedDependencies: inputs.map((input) => dependencyOf(input, plan.platform)),
      },
      runDetails: {
        builder: { id: provenance?.builderId ?? '' },
        metadata: {
          ...(reproducible
            ? {}
            : {
                invocationId: crypto.randomUUID(),
                startedOn: started.toISOString(),
                finishedOn: finished.toISOString(),
              }),
          ...(isFull ? { buildkit_metadata: { source: sourceOf(dockerfile, plan) } } : {}),
          buildkit_completeness: { request: isFull, resolvedDependencies: isComplete(plan, inputs) },
          buildkit_reproducible: reproducible,
          buildkit_hermetic: isHermetic(plan),
        },
      },
    },
  }
}

function requestDetails({ buildArgs, labels, target, secrets = [], ssh = [] }: BuildOptions) {
  const args = {
    ...Object.fromEntries(Object.entries(buildArgs).map(([name, value]) => [`build-arg:${name}`, value])),
    ...Object.fromEntries(Object.entries(labels).map(([name, value]) => [`label:${name}`, value])),
    ...(target === undefined ? {} : { target }),
  }
  return {
    args,
    ...(secrets.length === 0 ? {} : { secrets: secrets.map(({ id }) => ({ id, optional: true })) }),
    ...(ssh.length === 0 ? {} : { ssh: ssh.map(({ id }) => ({ id, optional: true })) }),
  }
}

function dependencyOf(input: LockEntry, platform: Platform) {
  switch (input.kind) {
    case 'image':
      return {
        // What is no reference names an archive of this machine.
        uri: /^[\w-]+:(?:\/\/|[^\d])/.test(input.name)
          ? input.name
          : packageUrl(input.name.replace(/@.*$/, ''), platform, input.digest),
        digest: { sha256: digestHex(input.digest) },
      }
    case 'url':
      return { uri: input.name, digest: { sha256: digestHex(input.digest) } }
    case 'git':
      return { uri: input.name, digest: { sha1: input.commit } }
    default:
      return input satisfies never
  }
}

/** Contexts and layouts of this machine have no name that anybody else could use. */
function isComplete({ root }: Plan, inputs: readonly LockEntry[]): boolean {
  const taken = topological(root).filter(({ op }) => op.kind === 'image' || op.kind === 'context')
  return taken.every(({ op }) => op.kind === 'image' && inputs.some(({ name }) => name === op.reference))
}

/** No RUN could reach a network. */
function isHermetic({ root }: Plan): boolean {
  return topological(root).every(({ op }) => op.kind !== 'exec' || op.network === 'none')
}

/** The file, and the lines that each step comes from. */
function sourceOf({ name, text }: ProvenanceParts['dockerfile'], { root }: Plan) {
  const steps = topological(root).filter(({ source }) => source !== undefined)
  return {
    infos: [{ filename: name, language: 'Dockerfile', data: Buffer.from(text).toString('base64') }],
    locations: Object.fromEntries(
      steps.map(({ digest, source }) => [
        digest,
        {
          locations: [
            {
              ranges: [{ start: { line: source?.startLine }, end: { line: source?.endLine } }],
            },
          ],
        },
      ]),
    ),
  }
}
