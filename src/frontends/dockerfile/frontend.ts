import {
  type Failure,
  formatPlatform,
  type Job,
  joinErrors,
  OssbError,
  type Platform,
} from '../../core/index.ts'
import { createPatternMatcher, type PatternMatcher } from '../../fs/index.ts'
import type { CheckReport, CheckWarning, DockerfileInput, Frontend, Plan } from '../../graph/index.ts'
import { buildArg, checkControlArguments, globalScope } from './arguments.ts'
import { parseDirectives } from './directives.ts'
import { type FromLine, readFromLines } from './from-lines.ts'
import { finishConfig } from './image-state.ts'
import { createLint, type Lint, parseCheckOptions } from './lint.ts'
import { checkDockerfile } from './lint-checks.ts'
import { createOutlineRecord, describedAs, outlineOf, targetsOf } from './outline.ts'
import { planStages } from './planner.ts'
import type { Planning } from './planning.ts'
import { readSourceDateEpoch } from './source-date-epoch.ts'
import type { PlanScope, StageState } from './stage-state.ts'
import { type Dockerfile, findTarget, parseDockerfile } from './stages.ts'
import { onceEach, standIn, tolerant } from './stand-in-images.ts'
import { checkSyntax } from './syntax-reference.ts'

/** The frontend for Dockerfiles, as BuildKit's stable syntax (1.26) has them. */
export function createDockerfileFrontend(): Frontend<DockerfileInput> {
  return {
    async plan(input, images, job) {
      const dockerfile = readDockerfile(input)
      const target = findTarget(dockerfile.stages, input.target)
      const lint = createDockerfileLint(dockerfile, input, ({ rule, detail, source }) =>
        job.emit({ type: 'warning', rule, message: detail, source }),
      )
      checkDockerfile(dockerfile, lint)
      const resolve = onceEach(images)
      const plans = await forEachPlatform(input, async (platform) => {
        const scope = await datedScope({ dockerfile, input, platform, lint, isInspection: false }, job)
        const [state] = await planStages([target], { scope, images: resolve, sourceImages: resolve, job })
        return planOf(state as StageState)
      })
      job.signal.throwIfAborted()
      lint.finish()
      return plans
    },

    async check(input, images, job) {
      const warnings: CheckWarning[] = []
      const unresolved: CheckReport['unresolved'][number][] = []
      const resolve = onceEach(
        tolerant(images, (reference, reason) => unresolved.push({ reference, reason })),
      )
      let error: OssbError | undefined
      try {
        const dockerfile = readDockerfile(input)
        const lint = createDockerfileLint(dockerfile, input, (warning) => warnings.push(warning))
        await checkEverything(dockerfile, input, { lint, images: resolve, sourceImages: standIn, job })
        lint.finish()
      } catch (failure) {
        job.signal.throwIfAborted()
        if (!(failure instanceof OssbError)) throw failure
        error = failure
      }
      return {
        file: input.file,
        warnings: warnings.sort((a, b) => a.source.startLine - b.source.startLine),
        ...(error === undefined ? {} : { error }),
        unresolved,
      }
    },

    async outline(input, job) {
      const dockerfile = readDockerfile(input)
      const target = findTarget(dockerfile.stages, input.target)
      const lint = createDockerfileLint(dockerfile, input, () => undefined)
      const scope = await datedScope(
        {
          dockerfile,
          input,
          platform: firstPlatform(input),
          lint,
          isInspection: true,
        },
        job,
      )
      await planStages([target], { scope, images: standIn, sourceImages: standIn, job })
      return outlineOf(input.file, target, scope.outline)
    },

    targets(input) {
      const dockerfile = readDockerfile(input)
      return targetsOf(input.file, dockerfile, basesOf(dockerfile, input))
    },
  }
}

/** @throws what failed for all of the platforms together */
async function forEachPlatform<T>(
  { platforms }: DockerfileInput,
  action: (platform: Platform) => Promise<T>,
): Promise<readonly T[]> {
  const failures: Failure[] = []
  const results = await Promise.all(
    platforms.map(async (platform) => {
      try {
        return [await action(platform)]
      } catch (error) {
        failures.push({ name: formatPlatform(platform), error })
        return []
      }
    }),
  )
  const [first, ...others] = failures
  if (first !== undefined) throw joinErrors(`plan for ${platforms.length} platforms`, [first, ...others])
  return results.flat()
}

function readDockerfile(input: DockerfileInput): Dockerfile {
  const { name, text } = input.file
  // A text in another language is not parsed as one in this.
  checkSyntax(parseDirectives(name, text), buildArg(input, 'BUILDKIT_SYNTAX'))
  const dockerfile = parseDockerfile(name, text)
  checkControlArguments(input)
  checkPlatforms(input)
  return dockerfile
}

/** Images for Windows have paths, a default shell and variables of their own kind: none of that must come out as Linux's. */
function checkPlatforms({ platforms }: DockerfileInput): void {
  const windows = platforms.find(({ os }) => os === 'windows')
  if (windows === undefined) return
  const message = `Cannot build for ${formatPlatform(windows)}: Windows images are not built`
  throw new OssbError('ERR_OSSB_USAGE', message, { hint: 'Give a --platform of Linux.' })
}

interface Checking extends Pick<Planning, 'images' | 'sourceImages' | 'job'> {
  readonly lint: Lint
}

/** All checks; without a target those of every stage. */
async function checkEverything(
  dockerfile: Dockerfile,
  input: DockerfileInput,
  { lint, ...work }: Checking,
): Promise<void> {
  checkDockerfile(dockerfile, lint)
  const wanted = (input.target ?? '') !== ''
  const targets = wanted ? [findTarget(dockerfile.stages, input.target)] : dockerfile.stages
  const scope = await datedScope(
    {
      dockerfile,
      input,
      platform: firstPlatform(input),
      lint,
      isInspection: true,
    },
    work.job,
  )
  await planStages(targets, { scope, ...work })
}

/** What each stage is built on, by index; nothing where that can't be worked out. */
function basesOf(dockerfile: Dockerfile, input: DockerfileInput): readonly FromLine[] {
  const lint = createDockerfileLint(dockerfile, input, () => undefined)
  const options = { dockerfile, input, platform: firstPlatform(input), lint, isInspection: true }
  try {
    return createScope(options).fromLines
  } catch (error) {
    if (error instanceof OssbError) return []
    throw error
  }
}

function firstPlatform({ platforms, buildPlatform }: DockerfileInput): Platform {
  return platforms[0] ?? buildPlatform
}

type ScopeOptions = Pick<PlanScope, 'dockerfile' | 'input' | 'platform' | 'lint' | 'isInspection'>

function createScope(options: ScopeOptions): PlanScope {
  const { input } = options
  const outline = createOutlineRecord()
  const globals = globalScope(options, ({ name, value }, { range, comments }, uses) => {
    const argument = {
      name,
      ...describedAs(comments, name),
      ...(value === undefined ? {} : { value }),
      source: range,
    }
    outline.globalArgs.set(name, { argument, uses })
  })
  const ignored = ignoredBy(input.ignorePatterns)
  return {
    ...options,
    globals,
    fromLines: readFromLines({ ...options, globals }),
    ...(ignored === undefined ? {} : { ignored }),
    outline,
    expanded: { characters: 0, ports: 0, triggers: 0, triggerCharacters: 0 },
  }
}

/** A scope that knows SOURCE_DATE_EPOCH, which may be that of a source. */
async function datedScope(options: ScopeOptions, job: Job): Promise<PlanScope> {
  const { dockerfile, input } = options
  const scope = createScope(options)
  const lint = createDockerfileLint(dockerfile, input, () => undefined)
  const text = buildArg(input, 'SOURCE_DATE_EPOCH') ?? scope.globals.get('SOURCE_DATE_EPOCH')
  const time = await readSourceDateEpoch(
    text,
    {
      input,
      stages: dockerfile.stages,
      async plan(stage) {
        // Of the stage only what it adds is looked at, and nothing of it is a finding yet.
        const own = { ...scope, lint, outline: createOutlineRecord() }
        const work = { scope: own, images: standIn, sourceImages: standIn, job }
        const [state] = await planStages([stage], work)
        return (state as StageState).vertex
      },
    },
    job,
  )
  return time === undefined ? scope : { ...scope, time }
}

/** Where the ignore file takes something back with `!`, a name alone does not tell what is hidden. */
function ignoredBy(patterns: readonly string[] | undefined): PatternMatcher | undefined {
  if (patterns === undefined) return undefined
  const matcher = createPatternMatcher(patterns)
  return matcher.hasExclusions ? undefined : matcher
}

/** In an index, as BuildKit has it, an image stands for the platform that was asked for, whatever its last stage names. */
function planOf({ scope, platform, vertex, image }: StageState): Plan {
  return {
    platform: scope.input.platforms.length > 1 ? scope.platform : platform,
    root: vertex,
    config: finishConfig(image, scope.input.labels),
    baseHistory: image.baseHistory,
    ...(scope.time === undefined ? {} : { sourceDateEpoch: scope.time }),
  }
}

function createDockerfileLint(
  dockerfile: Dockerfile,
  input: DockerfileInput,
  found: (warning: CheckWarning) => void,
): Lint {
  const { check } = dockerfile.directives
  const own = buildArg(input, 'BUILDKIT_DOCKERFILE_CHECK')
  const checks = parseCheckOptions(own ?? check?.value, own === undefined ? check?.range : undefined)
  const comments = dockerfile.nodes.flatMap(({ comments, range }) =>
    comments.flatMap((comment) => {
      const match = /^check\s*=\s*(\S.*)$/i.exec(comment)
      return match === null ? [] : [[range.startLine, parseCheckOptions(match[1], range)] as const]
    }),
  )
  return createLint({ checks, checksAt: new Map(comments) }, found)
}
