/**
 * What to do, as data: operations, the vertices that name them by digest, plans, and what can be said of a build without
 * one. A frontend makes plans and
 * the solver carries them out; they meet only here. Nothing here runs anything.
 */
export * from './inspection.ts'
export * from './op.ts'
export * from './plan.ts'
export * from './source-file.ts'
export * from './vertex.ts'
