/** A filter of system calls as an OCI runtime takes it (runtime-spec config-linux.md#seccomp). */
export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ALLOW'
  readonly architectures: readonly string[]
  readonly syscalls: readonly SeccompRule[]
}

interface SeccompRule {
  readonly names: readonly string[]
  readonly action: 'SCMP_ACT_ERRNO'
  readonly errnoRet: number
  readonly args?: readonly SeccompArgument[]
}

interface SeccompArgument {
  readonly index: number
  readonly value: number
  readonly valueTwo?: number
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_MASKED_EQ'
}

const EPERM = 1
const ENOSYS = 38

/** Calls that a RUN has no use for and that reach the kernel outside its namespaces. */
const DENIED: readonly string[] = `
  mount umount umount2 pivot_root setns mount_setattr open_tree open_tree_attr move_mount fsopen
  fsconfig fsmount fspick add_key request_key keyctl bpf perf_event_open userfaultfd open_by_handle_at
  io_uring_setup io_uring_enter io_uring_register fanotify_init lookup_dcookie kexec_load
  kexec_file_load init_module finit_module delete_module create_module query_module get_kernel_syms
  clock_settime clock_settime64 settimeofday stime reboot swapon swapoff acct quotactl quotactl_fd
  vhangup syslog nfsservctl iopl ioperm uselib ustat sysfs _sysctl vm86 vm86old bdflush
`
  .trim()
  .split(/\s+/)

/** mnt, cgroup, uts, ipc, user, pid, net: the flags of clone(2) that make namespaces. */
const NAMESPACE_FLAGS: readonly number[] = [
  0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000,
]
const NAMESPACE_OF_TIME = 0x80
/** Sockets to the machine that runs this one as its guest. */
const AF_VSOCK = 40
/** TIOCSTI and TIOCLINUX: what a terminal's owner seems to have typed. */
const TERMINAL_INPUT: readonly number[] = [0x5412, 0x541c]

const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
}

/** The filter for a machine of an architecture (Node's name); calls by any convention but its own two are refused. */
export function seccompProfile(architecture: string): SeccompProfile {
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ARCHITECTURES[architecture] ?? [],
    syscalls: [
      deny(DENIED),
      ...NAMESPACE_FLAGS.map((flag) => deny(['clone'], [bit(flag)])),
      ...[...NAMESPACE_FLAGS, NAMESPACE_OF_TIME].map((flag) => deny(['unshare'], [bit(flag)])),
      ...TERMINAL_INPUT.map((value) => deny(['ioctl'], [{ index: 1, value, op: 'SCMP_CMP_EQ' }])),
      deny(['socket'], [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_EQ' }]),
      // Its flags lie in memory, where no filter sees them; C libraries then use clone.
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
    ],
  }
}

function deny(names: readonly string[], args?: readonly SeccompArgument[]): SeccompRule {
  return { names, action: 'SCMP_ACT_ERRNO', errnoRet: EPERM, ...(args === undefined ? {} : { args }) }
}

/** Argument 0 has the flag. */
function bit(flag: number): SeccompArgument {
  return { index: 0, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' }
}
