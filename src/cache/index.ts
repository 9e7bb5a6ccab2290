/**
 * Results of steps by key, behind one interface, `Cache`. Knows layers and where they are kept; how a key is made is the
 * solver's business.
 */
export * from './maintenance.ts'
export * from './step-cache.ts'
