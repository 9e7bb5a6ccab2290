/** The names of the checks that are made, each with what it is about; texts are with the code that reports them. */
export const LINT_RULES = {
  StageNameCasing: 'Stage names should be lowercase',
  FromAsCasing: "The 'as' keyword should match the case of the 'from' keyword",
  NoEmptyContinuation: 'Empty continuation lines will become errors in a future release',
  DuplicateStageName: 'Stage names should be unique',
  ReservedStageName: 'Reserved words should not be used as stage names',
  JSONArgsRecommended:
    'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
  MaintainerDeprecated: 'The MAINTAINER instruction is deprecated',
  UndefinedArgInFrom: 'FROM command must use declared ARGs',
  WorkdirRelativePath: 'Relative workdir without an absolute workdir declared',
  UndefinedVar: 'Variables should be defined before their use',
  MultipleInstructionsDisallowed: 'Only one of these instructions counts in a stage',
  LegacyKeyValueFormat: 'Key and value of ENV and LABEL should be separated by an equals sign',
  InvalidBaseImagePlatform: 'Base image platform does not match the platform of the build',
  SecretsUsedInArgOrEnv: 'Sensitive data should not be used in the ARG or ENV commands',
  ExposeProtoCasing: 'Protocol in EXPOSE instruction should be lowercase',
  ExposeInvalidFormat: 'IP address and host-port mapping should not be used in EXPOSE instruction',
} as const

export type RuleName = keyof typeof LINT_RULES
