/** A call that was refused. */
export interface Refusal {
  /** What was tried: "unshare user namespace", "mount proc", a path that was written to. */
  readonly step: string
  /** Name of the error number ("EPERM"). */
  readonly code: string
}

/** What the machine says of itself, where it says it; contents of files without the end of line. */
export interface Settings {
  readonly isRoot: boolean
  /** kernel.apparmor_restrict_unprivileged_userns */
  readonly apparmorRestriction: string | undefined
  /** /proc/self/attr/current: the AppArmor profile or SELinux context of this process. */
  readonly securityLabel: string | undefined
  /** user.max_user_namespaces */
  readonly maxUserNamespaces: string | undefined
  /** kernel.unprivileged_userns_clone, of Debian and Arch */
  readonly unprivilegedClone: string | undefined
  readonly hasSeccompFilter: boolean
  readonly isChroot: boolean
}

/** Why, and the one thing that lifts it. */
export interface Explanation {
  readonly meaning: string
  readonly remedy: string
}

interface Rule extends Explanation {
  applies(refusal: Refusal, settings: Settings): boolean
}

const isUserNamespace = ({ step }: Refusal) => step === 'unshare user namespace'
const isMount = ({ step }: Refusal) => step.startsWith('mount ')

/** The first that applies counts: settings that name themselves come before what has to be guessed. */
const RULES: readonly Rule[] = [
  {
    // Making the namespace succeeds there; only what is done in it is refused.
    applies: ({ code, step }, { isRoot, apparmorRestriction, securityLabel }) =>
      !isRoot &&
      ((apparmorRestriction === '1' &&
        (code === 'EACCES' || (code === 'EPERM' && /map$|setgroups$/.test(step)))) ||
        /^unprivileged_userns\b/.test(securityLabel ?? '')),
    meaning:
      'AppArmor keeps user namespaces from ordinary users (/proc/sys/kernel/apparmor_restrict_unprivileged_userns)',
    remedy: 'As root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  },
  {
    applies: (refusal, { maxUserNamespaces }) =>
      isUserNamespace(refusal) && (refusal.code === 'ENOSPC' || maxUserNamespaces === '0'),
    meaning: 'user.max_user_namespaces (/proc/sys/user/max_user_namespaces) allows no more of them',
    remedy: 'As root: sysctl -w user.max_user_namespaces=10000',
  },
  {
    applies: (refusal, { unprivilegedClone }) => isUserNamespace(refusal) && unprivilegedClone === '0',
    meaning:
      'kernel.unprivileged_userns_clone (/proc/sys/kernel/unprivileged_userns_clone) keeps them from ordinary users',
    remedy: 'As root: sysctl -w kernel.unprivileged_userns_clone=1',
  },
  {
    applies: ({ code, step }, { isChroot }) =>
      isChroot &&
      (step === 'unshare user namespace' || (step === 'make mounts private' && code === 'EINVAL')),
    meaning: 'this process runs inside a chroot, where the kernel allows none',
    remedy:
      'Enter the directory in place of chroot with: unshare --mount --root=DIRECTORY, after mount --bind DIRECTORY DIRECTORY',
  },
  {
    applies: ({ code, step }, { isRoot, hasSeccompFilter }) =>
      code === 'EPERM' && step.startsWith('unshare ') && hasSeccompFilter && isRoot,
    meaning: 'the container lacks CAP_SYS_ADMIN, or its seccomp profile forbids it',
    remedy:
      'Run the container with --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined (Kubernetes: securityContext.privileged: true, or hostUsers: false)',
  },
  {
    applies: ({ code, step }, { hasSeccompFilter }) =>
      code === 'EPERM' && step.startsWith('unshare ') && hasSeccompFilter,
    meaning: "the container's seccomp profile forbids it",
    remedy:
      'Run the container with --security-opt seccomp=unconfined (Kubernetes: securityContext.seccompProfile.type: Unconfined)',
  },
  {
    applies: ({ code, step }) => code === 'EPERM' && step === 'mount proc',
    meaning: 'parts of /proc are hidden here, and the kernel then shows no other /proc',
    remedy:
      'Run the container with --security-opt systempaths=unconfined (Kubernetes: securityContext.procMount: Unmasked)',
  },
  {
    applies: (refusal) => isMount(refusal) && refusal.code === 'EACCES',
    meaning: 'a security module (AppArmor or SELinux) denies mounts',
    remedy:
      'Run the container with --security-opt apparmor=unconfined (AppArmor; Kubernetes: securityContext.appArmorProfile.type: Unconfined) or --security-opt label=disable (SELinux; Kubernetes: securityContext.seLinuxOptions.type: spc_t)',
  },
  {
    applies: ({ step }, { isRoot }) => isRoot && step.startsWith('unshare '),
    meaning: 'this root lacks CAP_SYS_ADMIN',
    remedy: 'Run with CAP_SYS_ADMIN, or as an ordinary user with a range of subordinate ids',
  },
]

const UNKNOWN: Explanation = {
  meaning: 'nothing here says why',
  remedy: 'Allow user namespaces and mounts in them: see the kernel log (dmesg) for who refused',
}

/** What a refused call means on this machine. */
export function explainRefusal(refusal: Refusal, settings: Settings): Explanation {
  return RULES.find((rule) => rule.applies(refusal, settings)) ?? UNKNOWN
}
