/**
 * What to do, as data: operations, the vertices that name them by digest, and plans. A frontend makes plans and
 * the solver carries them out; they meet only here. Nothing here runs anything.
 */
export * from './op.ts'
export * from './plan.ts'
export * from './vertex.ts'
