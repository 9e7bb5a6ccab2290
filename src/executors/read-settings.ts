import { readFileSync } from 'node:fs'
import type { Settings } from './explain-refusal.ts'

/** Reads what the machine says of itself; what can't be read is undefined. */
export function readSettings(isRoot: boolean): Settings {
  return {
    isRoot,
    apparmorRestriction: readSetting('/proc/sys/kernel/apparmor_restrict_unprivileged_userns'),
    securityLabel: readSetting('/proc/self/attr/current'),
    maxUserNamespaces: readSetting('/proc/sys/user/max_user_namespaces'),
    unprivilegedClone: readSetting('/proc/sys/kernel/unprivileged_userns_clone'),
    hasSeccompFilter: statusField('Seccomp') === '2',
    isChroot: isChroot(readSetting('/proc/self/mountinfo')),
  }
}

/** Whether set-uid programs have no effect for this process: newuidmap is one. */
export function lacksNewPrivileges(): boolean {
  return statusField('NoNewPrivs') === '1'
}

/** The root of a process that is no mount point is that of a chroot (proc_pid_mountinfo(5): the fifth field). */
export function isChroot(mountinfo: string | undefined): boolean {
  return mountinfo !== undefined && !mountinfo.split('\n').some((line) => line.split(' ')[4] === '/')
}

function statusField(name: string): string | undefined {
  return new RegExp(`^${name}:\\s*(\\S+)$`, 'm').exec(readSetting('/proc/self/status') ?? '')?.[1]
}

function readSetting(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}
