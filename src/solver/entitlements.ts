import { OssbError } from '../core/index.ts'
import { type ExecOp, topological, type Vertex } from '../graph/index.ts'

/** What the caller has to allow before a step may have it. */
export type Entitlement = 'network.host' | 'security.insecure'

/**
 * Refuses a graph in which a step asks for more than was allowed, before anything of it is carried out.
 * @throws OssbError ERR_OSSB_DOCKERFILE with the lines of the step
 */
export function checkEntitlements(root: Vertex, allowed: readonly Entitlement[]): void {
  for (const { op, source } of topological(root)) {
    if (op.kind !== 'exec') continue
    const missing = needs(op).find((entitlement) => !allowed.includes(entitlement))
    if (missing === undefined) continue
    throw new OssbError('ERR_OSSB_DOCKERFILE', `${missing} is not allowed`, {
      hint: `If you trust what it runs, build with --allow ${missing}.`,
      ...(source === undefined ? {} : { source }),
    })
  }
}

function needs({ network, security }: ExecOp): readonly Entitlement[] {
  return [
    ...(network === 'host' ? (['network.host'] as const) : []),
    ...(security === 'insecure' ? (['security.insecure'] as const) : []),
  ]
}
