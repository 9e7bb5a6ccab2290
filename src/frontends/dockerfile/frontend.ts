import type { Job, Platform } from '../../core/index.ts'
import type { ConfigResolver, DockerfileInput, Frontend, Plan } from '../../graph/index.ts'
import { buildArg, globalScope } from './arguments.ts'
import { finishConfig } from './image-state.ts'
import { createLint, type Lint, parseCheckOptions } from './lint.ts'
import { checkDockerfile } from './lint-checks.ts'
import { planStage } from './planner.ts'
import { parseSourceDateEpoch } from './source-date-epoch.ts'
import { type Dockerfile, findTarget, parseDockerfile, type Stage } from './stages.ts'
import { checkSyntax } from './syntax-reference.ts'

/** The frontend for Dockerfiles, as BuildKit's stable syntax (1.26) has them. */
export function createDockerfileFrontend(): Frontend<DockerfileInput> {
  return {
    async plan(input, images, job) {
      const dockerfile = parseDockerfile(input.file.name, input.file.text)
      checkSyntax(dockerfile.directives, buildArg(input, 'BUILDKIT_SYNTAX'))
      const target = findTarget(dockerfile.stages, input.target)
      const lint = createDockerfileLint(dockerfile, input, job)
      checkDockerfile(dockerfile, lint)
      const request = { dockerfile, target, input, lint, images: onceEach(images), job }
      const plans = await Promise.all(input.platforms.map((platform) => planFor(platform, request)))
      lint.finish()
      return plans
    },
  }
}

interface PlanRequest {
  readonly dockerfile: Dockerfile
  readonly target: Stage
  readonly input: DockerfileInput
  readonly lint: Lint
  readonly images: ConfigResolver
  readonly job: Job
}

async function planFor(platform: Platform, request: PlanRequest): Promise<Plan> {
  const { dockerfile, target, input, lint, images, job } = request
  const globals = globalScope({ dockerfile, input, platform })
  const scope = { dockerfile, input, platform, globals, lint, expanded: { characters: 0 } }
  const epoch = parseSourceDateEpoch(buildArg(input, 'SOURCE_DATE_EPOCH') ?? globals.get('SOURCE_DATE_EPOCH'))
  const state = await planStage(target, { scope, images, job })
  return {
    platform: state.platform,
    root: state.vertex,
    config: finishConfig(state.image, input.labels),
    baseHistory: state.image.baseHistory,
    ...(epoch === undefined ? {} : { sourceDateEpoch: epoch }),
  }
}

function createDockerfileLint(dockerfile: Dockerfile, input: DockerfileInput, job: Job): Lint {
  const { check } = dockerfile.directives
  const own = buildArg(input, 'BUILDKIT_DOCKERFILE_CHECK')
  const checks = parseCheckOptions(own ?? check?.value, own === undefined ? check?.range : undefined)
  const comments = dockerfile.nodes.flatMap(({ comments, range }) =>
    comments.flatMap((comment) => {
      const match = /^check\s*=\s*(skip=.*)$/i.exec(comment)
      return match === null ? [] : [[range.startLine, parseCheckOptions(match[1], range)] as const]
    }),
  )
  return createLint({ checks, skippedAt: new Map(comments) }, job)
}

/** The same resolver, asking once for each image and platform. */
function onceEach(images: ConfigResolver): ConfigResolver {
  const asked = new Map<string, ReturnType<ConfigResolver>>()
  return (reference, platform, job) => {
    const key = JSON.stringify([reference, platform])
    const answer = asked.get(key) ?? images(reference, platform, job)
    asked.set(key, answer)
    return answer
  }
}
