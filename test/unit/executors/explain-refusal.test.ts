import { expect, test } from 'vitest'
import { explainRefusal, type Settings } from '../../../src/executors/explain-refusal.ts'
import { isChroot } from '../../../src/executors/read-settings.ts'

const plain: Settings = {
  isRoot: false,
  apparmorRestriction: undefined,
  securityLabel: undefined,
  maxUserNamespaces: '100000',
  unprivilegedClone: undefined,
  hasSeccompFilter: false,
  isChroot: false,
}
const NAMESPACE = 'unshare user namespace'

test.each<[string, string, string, Partial<Settings>, RegExp]>([
  [
    'the AppArmor restriction, at the map',
    '/proc/self/uid_map',
    'EPERM',
    { apparmorRestriction: '1' },
    /apparmor_restrict_unprivileged_userns=0/,
  ],
  [
    'the AppArmor restriction, at a mount',
    'mount bind',
    'EACCES',
    { apparmorRestriction: '1' },
    /apparmor_restrict_unprivileged_userns=0/,
  ],
  [
    'the AppArmor profile it puts processes in',
    'mount proc',
    'EPERM',
    { securityLabel: 'unprivileged_userns (enforce)' },
    /apparmor_restrict_unprivileged_userns=0/,
  ],
  ['no user namespaces allowed', NAMESPACE, 'ENOSPC', {}, /user\.max_user_namespaces=10000/],
  ["Debian's setting", NAMESPACE, 'EPERM', { unprivilegedClone: '0' }, /unprivileged_userns_clone=1/],
  ['a chroot', NAMESPACE, 'EPERM', { isChroot: true, hasSeccompFilter: true }, /unshare --mount --root/],
  [
    'a chroot of root',
    'make mounts private',
    'EINVAL',
    { isRoot: true, isChroot: true },
    /unshare --mount --root/,
  ],
  [
    'a seccomp profile',
    NAMESPACE,
    'EPERM',
    { hasSeccompFilter: true },
    /^Run the container with --security-opt seccomp=unconfined \(Kubernetes: /,
  ],
  [
    'a container of root',
    'unshare mount namespace',
    'EPERM',
    { isRoot: true, hasSeccompFilter: true },
    /--cap-add SYS_ADMIN/,
  ],
  ['hidden parts of /proc', 'mount proc', 'EPERM', {}, /systempaths=unconfined/],
  ['a security module', 'mount bind', 'EACCES', {}, /apparmor=unconfined/],
  ['a root without capabilities', 'unshare pid namespace', 'EPERM', { isRoot: true }, /CAP_SYS_ADMIN/],
  ['what says nothing', 'fork', 'EAGAIN', {}, /dmesg/],
])('explainRefusal() recognises %s', (_what, step, code, settings, remedy) => {
  expect(explainRefusal({ step, code }, { ...plain, ...settings }).remedy).toMatch(remedy)
})

test.each([
  ['75 74 254:0 / / rw - ext4 /dev/vda rw\n76 75 0:25 / /proc rw - proc proc rw', false],
  ['76 75 0:25 / /proc rw - proc proc rw', true],
  [undefined, false],
])('isChroot() tells a root that is no mount point: %s', (mountinfo, expected) => {
  expect(isChroot(mountinfo)).toBe(expected)
})
