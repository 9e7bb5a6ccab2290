type Environment = Readonly<Record<string, string | undefined>>

const NAME = 'NODE_EXTRA_CA_CERTS'
const KEPT = 'OSSB_EXTRA_CA_CERTS'

/**
 * The environment for a Node that starts in our place. Node 20 reads what NODE_EXTRA_CA_CERTS names before all else (30 ms
 * for the bundle of Debian 12, measured); we read it ourselves, and only to talk TLS.
 */
export function keepExtraCertificates(environment: Environment): Environment {
  return renamed(environment, NAME, KEPT)
}

/** What was given to the process that started this one. */
export function restoreExtraCertificates(environment: Environment): Environment {
  return renamed(environment, KEPT, NAME)
}

function renamed(environment: Environment, from: string, to: string): Environment {
  const { [from]: value, ...rest } = environment
  return value === undefined ? environment : { ...rest, [to]: value }
}
