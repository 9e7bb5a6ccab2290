/**
 * What is installed in a root file system, read from the databases of its package managers. Knows nothing of images or
 * of the documents that state it.
 */
export { type LocatedPackage, readPackages } from './read-packages.ts'
