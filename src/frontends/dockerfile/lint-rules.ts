/** The checks that are made, by name: each is the text of its finding, from what was found. */
export const LINT_RULES = {
  ConsistentInstructionCasing: (keyword: string, majority: string): string =>
    `Command '${keyword}' should match the case of the command majority (${majority})`,
  DuplicateStageName: (name: string): string =>
    `Duplicate stage name "${name}", stage names should be unique`,
  ExposeInvalidFormat: (port: string): string =>
    `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
  ExposeProtoCasing: (port: string): string =>
    `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
  FromAsCasing: (as: string, from: string): string => `'${as}' and '${from}' keywords' casing do not match`,
  FromPlatformFlagConstDisallowed: (platform: string): string =>
    `FROM --platform flag should not use constant value "${platform}"`,
  InvalidBaseImagePlatform: (image: string, actual: string, expected: string): string =>
    `Base image ${image} was pulled with platform "${actual}", expected "${expected}" for current build`,
  JSONArgsRecommended: (instruction: string): string =>
    `JSON arguments recommended for ${instruction} to prevent unintended behavior related to OS signals`,
  LegacyKeyValueFormat: (instruction: string): string =>
    `"${instruction} key=value" should be used instead of legacy "${instruction} key value" format`,
  MaintainerDeprecated: (): string => 'Maintainer instruction is deprecated in favor of using label',
  MultipleInstructionsDisallowed: (instruction: string): string =>
    `Multiple ${instruction} instructions should not be used in the same stage because only the last one will be used`,
  NoEmptyContinuation: (): string => 'Empty continuation line',
  RedundantTargetPlatform: (expression: string): string =>
    `Setting platform to predefined ${expression} in FROM is redundant as this is the default behavior`,
  ReservedStageName: (name: string): string =>
    `Stage name should not use the same name as reserved stage "${name}"`,
  SecretsUsedInArgOrEnv: (instruction: string, name: string): string =>
    `Do not use ARG or ENV instructions for sensitive data (${instruction} "${name}")`,
  StageNameCasing: (name: string): string => `Stage name '${name}' should be lowercase`,
  UndefinedArgInFrom: (name: string, suggestion: string): string =>
    `FROM argument '${name}' is not declared${suggestion}`,
  UndefinedVar: (name: string, suggestion: string): string =>
    `Usage of undefined variable '$${name}'${suggestion}`,
  WorkdirRelativePath: (path: string): string =>
    `Relative workdir "${path}" can have unexpected results if the base image changes`,
} as const

export type RuleName = keyof typeof LINT_RULES

/** What the text of a rule is made from. */
export type RuleFindings<Rule extends RuleName> = Parameters<(typeof LINT_RULES)[Rule]>
