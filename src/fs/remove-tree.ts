import { chmodSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../core/index.ts'

/** Removes a tree, also where directories in it deny their owner entry; nothing happens when it is not there. */
export function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch (error) {
    if (errnoOf(error) !== 'EACCES' && errnoOf(error) !== 'EPERM') throw error
    openUp(path)
    rmSync(path, { recursive: true, force: true })
  }
}

function openUp(directory: string): void {
  chmodSync(directory, 0o700)
  for (const child of readdirSync(directory, { withFileTypes: true })) {
    if (child.isDirectory()) openUp(join(directory, child.name))
  }
}
