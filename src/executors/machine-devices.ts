import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { lstatIfPresent } from '../fs/index.ts'
import type { ProcessMount, ProcessSpec } from './executor.ts'

const DEVICES = ['kmsg', 'cuse', 'fuse', 'kvm', 'net/tun', 'loop-control']
const LOOP_DEVICE = /^loop\d+$/

/**
 * The devices of the machine that BuildKit gives to a process of --security=insecure beside those of every process, as
 * far as there are any. An ordinary user could open next to none of them, and gets none.
 */
export function machineDevices(
  { security }: Pick<ProcessSpec, 'security'>,
  namespace: 'local' | 'rootless',
): readonly ProcessMount[] {
  if (security === 'sandbox' || namespace === 'rootless') return []
  const loops = readdirSync('/dev').filter((name) => LOOP_DEVICE.test(name))
  return [...DEVICES, ...loops]
    .map((name) => join('/dev', name))
    .filter((path) => isDevice(path))
    .map((path) => ({ type: 'bind', source: path, target: path, readonly: false }))
}

function isDevice(path: string): boolean {
  const stats = lstatIfPresent(path)
  return stats?.isCharacterDevice() === true || stats?.isBlockDevice() === true
}
