/** One check: the text of a finding, from what was found, and what it is about in general. */
interface LintRule<Found extends readonly string[]> {
  readonly text: (...found: Found) => string
  readonly description: string
  /** Made only where `experimental=` names it. */
  readonly experimental?: true
  /** Rules without a page of their own have none. */
  readonly page?: false
}

function rule<Found extends readonly string[]>(
  text: (...found: Found) => string,
  description: string,
  settings: Pick<LintRule<Found>, 'experimental' | 'page'> = {},
): LintRule<Found> {
  return { text, description, ...settings }
}

/** A name that was probably meant, as the end of a text; '' for none. */
type Suggestion = string

interface Rules {
  readonly ConsistentInstructionCasing: LintRule<[keyword: string, majority: string]>
  readonly CopyIgnoredFile: LintRule<[instruction: string, file: string]>
  readonly DuplicateStageName: LintRule<[name: string]>
  readonly ExposeInvalidFormat: LintRule<[port: string]>
  readonly ExposeProtoCasing: LintRule<[port: string]>
  readonly FromAsCasing: LintRule<[as: string, from: string]>
  readonly FromPlatformFlagConstDisallowed: LintRule<[platform: string]>
  readonly InvalidBaseImagePlatform: LintRule<[image: string, actual: string, expected: string]>
  readonly InvalidDefaultArgInFrom: LintRule<[base: string]>
  readonly InvalidDefinitionDescription: LintRule<[instruction: string, name: string]>
  readonly JSONArgsRecommended: LintRule<[instruction: string]>
  readonly LegacyKeyValueFormat: LintRule<[instruction: string]>
  readonly MaintainerDeprecated: LintRule<[]>
  readonly MultipleInstructionsDisallowed: LintRule<[instruction: string]>
  readonly NoEmptyContinuation: LintRule<[]>
  readonly RedundantTargetPlatform: LintRule<[expression: string]>
  readonly ReservedStageName: LintRule<[name: string]>
  readonly SecretsUsedInArgOrEnv: LintRule<[instruction: string, name: string]>
  readonly StageNameCasing: LintRule<[name: string]>
  readonly UndefinedArgInFrom: LintRule<[name: string, suggestion: Suggestion]>
  readonly UndefinedVar: LintRule<[name: string, suggestion: Suggestion]>
  readonly WorkdirRelativePath: LintRule<[path: string]>
}

/** The checks that are made, by name (docs.docker.com/reference/build-checks). */
export const LINT_RULES: Rules = {
  ConsistentInstructionCasing: rule(
    (keyword, majority) => `Command '${keyword}' should match the case of the command majority (${majority})`,
    'Keywords are easier to read when all are in upper case or all in lower case',
  ),
  CopyIgnoredFile: rule(
    (instruction, file) => `Attempting to ${instruction} file "${file}" that is excluded by .dockerignore`,
    'The ignore file keeps this file out of the build context',
  ),
  DuplicateStageName: rule(
    (name) => `Duplicate stage name "${name}", stage names should be unique`,
    'Two stages with one name cannot be told apart',
  ),
  ExposeInvalidFormat: rule(
    (port) => `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
    'An image can say which ports it listens on, not how a host maps them',
  ),
  ExposeProtoCasing: rule(
    (port) => `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
    'Protocols of ports are written in lower case',
  ),
  FromAsCasing: rule(
    (as, from) => `'${as}' and '${from}' keywords' casing do not match`,
    'FROM and AS of one line are written in the same case',
  ),
  FromPlatformFlagConstDisallowed: rule(
    (platform) => `FROM --platform flag should not use constant value "${platform}"`,
    'A platform that is fixed in the file keeps the image from being built for another',
  ),
  InvalidBaseImagePlatform: rule(
    (image, actual, expected) =>
      `Base image ${image} was pulled with platform "${actual}", expected "${expected}" for current build`,
    'The base image is for another platform than the build',
    { page: false },
  ),
  InvalidDefaultArgInFrom: rule(
    (base) => `Default value for ARG ${base} results in empty or invalid base image name`,
    'A build without build arguments should find a base image',
  ),
  InvalidDefinitionDescription: rule(
    (instruction, name) => `Comment for ${instruction} should follow the format: \`# ${name} <description>\``,
    'A comment directly above a stage or an argument describes it, and begins with its name',
    { experimental: true },
  ),
  JSONArgsRecommended: rule(
    (instruction) =>
      `JSON arguments recommended for ${instruction} to prevent unintended behavior related to OS signals`,
    'In shell form the process is a child of a shell, which may not hand signals on to it',
  ),
  LegacyKeyValueFormat: rule(
    (instruction) =>
      `"${instruction} key=value" should be used instead of legacy "${instruction} key value" format`,
    'A name and its value are joined by an equals sign',
  ),
  MaintainerDeprecated: rule(
    () => 'Maintainer instruction is deprecated in favor of using label',
    'The author of an image is a label, org.opencontainers.image.authors',
  ),
  MultipleInstructionsDisallowed: rule(
    (instruction) =>
      `Multiple ${instruction} instructions should not be used in the same stage because only the last one will be used`,
    'Of several instructions of this kind in a stage only the last one counts',
  ),
  NoEmptyContinuation: rule(
    () => 'Empty continuation line',
    'An empty line inside an instruction may be an error one day',
  ),
  RedundantTargetPlatform: rule(
    (expression) =>
      `Setting platform to predefined ${expression} in FROM is redundant as this is the default behavior`,
    'A base image is for the target platform where nothing else is said',
  ),
  ReservedStageName: rule(
    (name) => `Stage name should not use the same name as reserved stage "${name}"`,
    'This name means something else to FROM and COPY --from',
  ),
  SecretsUsedInArgOrEnv: rule(
    (instruction, name) => `Do not use ARG or ENV instructions for sensitive data (${instruction} "${name}")`,
    'Arguments and variables can be read from the image; secrets belong in RUN --mount=type=secret',
  ),
  StageNameCasing: rule(
    (name) => `Stage name '${name}' should be lowercase`,
    'Names of stages are written in lower case',
  ),
  UndefinedArgInFrom: rule(
    (name, suggestion) => `FROM argument '${name}' is not declared${suggestion}`,
    'A FROM line sees only the arguments that are declared above the first one',
  ),
  UndefinedVar: rule(
    (name, suggestion) => `Usage of undefined variable '$${name}'${suggestion}`,
    'A variable is set by ENV or ARG before it is used',
  ),
  WorkdirRelativePath: rule(
    (path) => `Relative workdir "${path}" can have unexpected results if the base image changes`,
    'A relative directory depends on where the base image happens to be',
  ),
}

export type RuleName = keyof Rules

/** What the text of a rule is made from. */
export type RuleFindings<Name extends RuleName> = Parameters<Rules[Name]['text']>

/** Where a rule is explained. */
export function ruleUrl(name: RuleName): string | undefined {
  if (LINT_RULES[name].page === false) return undefined
  const words = name.replace(/([a-z])([A-Z])|([A-Z])([A-Z][a-z])/g, '$1$3-$2$4')
  return `https://docs.docker.com/go/dockerfile/rule/${words.toLowerCase()}/`
}
