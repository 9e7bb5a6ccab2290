/** How registries are pulled from: of the executor and the warmer. */
export const PULL_FLAGS = [
  { name: 'insecure-pull', kind: 'bool', description: 'Pull over plain HTTP where a registry has no HTTPS' },
  {
    name: 'insecure-registry',
    kind: 'list',
    description:
      'Talk to this registry over plain HTTP where it has no HTTPS. Set it repeatedly for several.',
  },
  {
    name: 'registry-certificate',
    kind: 'list',
    type: 'key-value-arg type',
    description: 'Trust this certificate for a registry: HOST=FILE. Set it repeatedly for several.',
  },
  {
    name: 'registry-client-cert',
    kind: 'list',
    type: 'key-value-arg type',
    description: 'Show this certificate to a registry: HOST=CERT,KEY. Set it repeatedly for several.',
  },
  {
    name: 'registry-map',
    kind: 'list',
    type: 'registry-map type',
    description:
      'Pull from another registry: FROM=TO[;FROM=TO]. Set it repeatedly for several. (env KANIKO_REGISTRY_MAP)',
  },
  {
    name: 'registry-mirror',
    kind: 'list',
    description:
      'Pull what is on Docker Hub from here: HOST[/PATH]. Set it repeatedly for several. (env KANIKO_REGISTRY_MIRROR)',
  },
  {
    name: 'skip-default-registry-fallback',
    kind: 'bool',
    description: 'Do not ask a registry for what none of its mirrors has',
  },
  { name: 'skip-tls-verify-pull', kind: 'bool', description: 'Pull without checking TLS certificates' },
  {
    name: 'skip-tls-verify-registry',
    kind: 'list',
    description: 'Do not check the TLS certificate of this registry. Set it repeatedly for several.',
  },
] as const

export type PullFlag = (typeof PULL_FLAGS)[number]

/** How registries are pushed to: of the executor and its command `push`. */
export const PUSH_FLAGS = [
  {
    name: 'credential-helpers',
    kind: 'list',
    description:
      'Use only these sources of credentials beside the configuration files: env, google, ecr, acr, gitlab; empty for none. Set it repeatedly for several.',
  },
  {
    name: 'destination',
    shorthand: 'd',
    kind: 'list',
    description: 'Push the image to this reference. Set it repeatedly for several.',
  },
  { name: 'insecure', kind: 'bool', description: 'Push over plain HTTP where a registry has no HTTPS' },
  {
    name: 'push-ignore-immutable-tag-errors',
    kind: 'bool',
    description: 'Leave tags that their registry does not let go as they are, and succeed',
  },
  { name: 'push-retry', kind: 'int', default: '0', description: 'How often to try a push again' },
  {
    name: 'skip-push-permission-check',
    kind: 'bool',
    description: 'Do not ask before the build whether the push will be allowed',
  },
  { name: 'skip-tls-verify', kind: 'bool', description: 'Push and pull without checking TLS certificates' },
] as const

export type PushFlag = (typeof PUSH_FLAGS)[number]

export const LOG_FLAGS = [
  {
    name: 'log-format',
    kind: 'string',
    default: 'color',
    description: 'Form of the log: text, color, json',
  },
  { name: 'log-timestamp', kind: 'bool', description: 'The time of day in each line of the log' },
  {
    name: 'verbosity',
    shorthand: 'v',
    kind: 'string',
    default: 'info',
    description: 'Level of the log: trace, debug, info, warn, error, fatal, panic',
  },
] as const

export type LogFlag = (typeof LOG_FLAGS)[number]
