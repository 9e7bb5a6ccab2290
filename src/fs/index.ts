/**
 * A root file system seen from outside: paths resolved inside it, owners looked up in it, files selected in it by
 * pattern. Knows nothing of layers, images or processes.
 */
export * from './content-digest.ts'
export * from './file-entry.ts'
export * from './go-match.ts'
export * from './hold-directory.ts'
export * from './ignore-file.ts'
export * from './owner.ts'
export * from './pattern.ts'
export * from './remove-tree.ts'
export * from './resolve-in-root.ts'
export * from './select-sources.ts'
