import { describe, expect, test } from 'vitest'
import type { ProcessSpec } from '../../../src/executors/index.ts'
import {
  encodeRuntimeSpec,
  type RuntimeSpecOptions,
  runtimeSpec,
} from '../../../src/executors/runtime-spec.ts'

const process: ProcessSpec = {
  args: ['/bin/sh', '-c', 'make'],
  env: ['PATH=/bin'],
  cwd: '/src',
  user: 'app',
  hostname: 'builder',
  network: 'default',
  security: 'sandbox',
  mounts: [],
  extraHosts: [],
  shmSize: 67_108_864,
  limits: [{ name: 'nofile', soft: 1024, hard: -1 }],
}
const ALL = 0x1ff_ffff_ffffn
const options: RuntimeSpecOptions = {
  process,
  user: { uid: 1000, gid: 1001, groups: [2000], home: '/home/app' },
  rootfs: '/rootfs',
  mounts: [
    { type: 'bind', source: '/scratch/hosts', target: '/etc/hosts', readonly: true, kind: 'file' },
    { type: 'bind', source: '/cache', target: '/cache', readonly: false, kind: 'directory' },
    { type: 'bind', source: '/context', target: '/context', readonly: true, kind: 'directory' },
    { type: 'tmpfs', target: '/tmp', size: 4096, kind: 'directory' },
    { type: 'tmpfs', target: '/run', kind: 'directory' },
  ],
  bounding: ALL,
  architecture: 'x64',
  namespace: 'rootless',
}
const root = { uid: 0, gid: 0, groups: [], home: '/root' }

test('runtimeSpec() is the whole configuration of a process', () => {
  const { linux, ...spec } = runtimeSpec(options)
  const { seccomp: _, ...others } = linux
  expect({ ...spec, linux: others }).toMatchInlineSnapshot(`
    {
      "hostname": "builder",
      "linux": {
        "maskedPaths": [
          "/proc/acpi",
          "/proc/asound",
          "/proc/interrupts",
          "/proc/kcore",
          "/proc/keys",
          "/proc/latency_stats",
          "/proc/sched_debug",
          "/proc/scsi",
          "/proc/timer_list",
          "/proc/timer_stats",
          "/sys/firmware",
          "/sys/kernel/debug",
          "/sys/kernel/tracing",
          "/sys/kernel/security",
          "/sys/fs/bpf",
          "/sys/fs/pstore",
          "/sys/devices/virtual/powercap",
        ],
        "namespaces": [
          {
            "type": "pid",
          },
          {
            "type": "ipc",
          },
          {
            "type": "uts",
          },
          {
            "type": "mount",
          },
          {
            "type": "cgroup",
          },
        ],
        "readonlyPaths": [
          "/proc/bus",
          "/proc/fs",
          "/proc/irq",
          "/proc/sys",
          "/proc/sysrq-trigger",
        ],
      },
      "mounts": [
        {
          "destination": "/proc",
          "options": [
            "nosuid",
            "noexec",
            "nodev",
          ],
          "source": "proc",
          "type": "proc",
        },
        {
          "destination": "/dev",
          "options": [
            "nosuid",
            "strictatime",
            "mode=755",
            "size=65536k",
          ],
          "source": "tmpfs",
          "type": "tmpfs",
        },
        {
          "destination": "/dev/pts",
          "options": [
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620",
            "gid=5",
          ],
          "source": "devpts",
          "type": "devpts",
        },
        {
          "destination": "/dev/shm",
          "options": [
            "nosuid",
            "noexec",
            "nodev",
            "mode=1777",
            "size=67108864",
          ],
          "source": "tmpfs",
          "type": "tmpfs",
        },
        {
          "destination": "/dev/mqueue",
          "options": [
            "nosuid",
            "noexec",
            "nodev",
          ],
          "source": "mqueue",
          "type": "mqueue",
        },
        {
          "destination": "/sys",
          "options": [
            "rbind",
            "nosuid",
            "noexec",
            "nodev",
            "ro",
            "rro",
          ],
          "source": "/sys",
          "type": "none",
        },
        {
          "destination": "/etc/hosts",
          "options": [
            "rbind",
            "ro",
            "nodev",
          ],
          "source": "/scratch/hosts",
          "type": "none",
        },
        {
          "destination": "/cache",
          "options": [
            "rbind",
            "nodev",
            "rnodev",
          ],
          "source": "/cache",
          "type": "none",
        },
        {
          "destination": "/context",
          "options": [
            "rbind",
            "ro",
            "nodev",
            "rro",
            "rnodev",
          ],
          "source": "/context",
          "type": "none",
        },
        {
          "destination": "/tmp",
          "options": [
            "nosuid",
            "nodev",
            "mode=1777",
            "size=4096",
          ],
          "source": "tmpfs",
          "type": "tmpfs",
        },
        {
          "destination": "/run",
          "options": [
            "nosuid",
            "nodev",
            "mode=1777",
          ],
          "source": "tmpfs",
          "type": "tmpfs",
        },
      ],
      "ociVersion": "1.0.2",
      "process": {
        "args": [
          "/bin/sh",
          "-c",
          "make",
        ],
        "capabilities": {
          "ambient": [],
          "bounding": [
            "CAP_CHOWN",
            "CAP_DAC_OVERRIDE",
            "CAP_FOWNER",
            "CAP_FSETID",
            "CAP_KILL",
            "CAP_SETGID",
            "CAP_SETUID",
            "CAP_SETPCAP",
            "CAP_NET_BIND_SERVICE",
            "CAP_NET_RAW",
            "CAP_SYS_CHROOT",
            "CAP_MKNOD",
            "CAP_AUDIT_WRITE",
            "CAP_SETFCAP",
          ],
          "effective": [],
          "inheritable": [],
          "permitted": [],
        },
        "cwd": "/src",
        "env": [
          "PATH=/bin",
          "HOME=/home/app",
          "HOSTNAME=builder",
        ],
        "noNewPrivileges": false,
        "rlimits": [
          {
            "hard": 18446744073709551615n,
            "soft": 1024n,
            "type": "RLIMIT_NOFILE",
          },
        ],
        "terminal": false,
        "user": {
          "additionalGids": [
            2000,
          ],
          "gid": 1001,
          "uid": 1000,
          "umask": 18,
        },
      },
      "root": {
        "path": "/rootfs",
        "readonly": false,
      },
    }
  `)
})

test('runtimeSpec() filters system calls by name for both conventions of the machine', () => {
  const profile = runtimeSpec(options).linux.seccomp
  expect(profile?.architectures).toEqual(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'])
  expect(runtimeSpec({ ...options, architecture: 'arm64' }).linux.seccomp?.architectures).toEqual([
    'SCMP_ARCH_AARCH64',
    'SCMP_ARCH_ARM',
  ])
  const rules = profile?.syscalls.map(({ names, errnoRet, args }) =>
    [
      names.length > 1 ? names.length : names[0],
      errnoRet,
      ...(args ?? []).map(({ index, value, op }) => `${index} ${op} 0x${value.toString(16)}`),
    ].join(' '),
  )
  expect(rules).toMatchInlineSnapshot(`
    [
      "55 1",
      "clone 1 0 SCMP_CMP_MASKED_EQ 0x20000",
      "clone 1 0 SCMP_CMP_MASKED_EQ 0x2000000",
      "clone 1 0 SCMP_CMP_MASKED_EQ 0x4000000",
      "clone 1 0 SCMP_CMP_MASKED_EQ 0x8000000",
      "clone 1 0 SCMP_CMP_MASKED_EQ 0x10000000",
      "clone 1 0 SCMP_CMP_MASKED_EQ 0x20000000",
      "clone 1 0 SCMP_CMP_MASKED_EQ 0x40000000",
      "unshare 1 0 SCMP_CMP_MASKED_EQ 0x20000",
      "unshare 1 0 SCMP_CMP_MASKED_EQ 0x2000000",
      "unshare 1 0 SCMP_CMP_MASKED_EQ 0x4000000",
      "unshare 1 0 SCMP_CMP_MASKED_EQ 0x8000000",
      "unshare 1 0 SCMP_CMP_MASKED_EQ 0x10000000",
      "unshare 1 0 SCMP_CMP_MASKED_EQ 0x20000000",
      "unshare 1 0 SCMP_CMP_MASKED_EQ 0x40000000",
      "unshare 1 0 SCMP_CMP_MASKED_EQ 0x80",
      "ioctl 1 1 SCMP_CMP_EQ 0x5412",
      "ioctl 1 1 SCMP_CMP_EQ 0x541c",
      "socket 1 0 SCMP_CMP_EQ 0x28",
      "clone3 38",
    ]
  `)
})

describe('runtimeSpec() capabilities', () => {
  const of = (change: Partial<RuntimeSpecOptions>) =>
    runtimeSpec({ ...options, ...change }).process.capabilities

  test('root keeps the default ones', () => {
    expect(of({ user: root }).effective).toEqual(of({ user: root }).bounding)
    expect(of({ user: root }).effective).toHaveLength(14)
  })

  test('insecure gives all that there are', () => {
    const insecure = { ...process, security: 'insecure' } as const
    expect(of({ user: root, process: insecure }).effective).toHaveLength(41)
    expect(of({ user: root, process: insecure, bounding: ALL & ~(1n << 24n) }).effective).not.toContain(
      'CAP_SYS_RESOURCE',
    )
  })
})

test('runtimeSpec() of an insecure process hides, protects and filters nothing', () => {
  const { linux, hooks } = runtimeSpec({
    ...options,
    namespace: 'local',
    process: { ...process, security: 'insecure' },
  })
  expect({ linux, hooks }).toEqual({
    linux: {
      namespaces: ['pid', 'ipc', 'uts', 'mount', 'cgroup'].map((type) => ({ type })),
      maskedPaths: [],
      readonlyPaths: [],
    },
  })
})

test('runtimeSpec() gives a network namespace, and a /sys of its own with it, only for network "none"', () => {
  const sysOf = (network: ProcessSpec['network']) => {
    const { linux, mounts } = runtimeSpec({ ...options, process: { ...process, network } })
    return [
      linux.namespaces.some(({ type }) => type === 'network'),
      mounts.find(({ destination }) => destination === '/sys')?.type,
    ]
  }
  expect([sysOf('none'), sysOf('host'), sysOf('default')]).toEqual([
    [true, 'sysfs'],
    [false, 'none'],
    [false, 'none'],
  ])
})

test("runtimeSpec() closes the machine's devices to a process of its own root", () => {
  const { hooks } = runtimeSpec({ ...options, namespace: 'local' })
  expect(hooks?.createContainer[0]?.args[2]).toMatchInlineSnapshot(`
    "for node in null zero full random urandom tty; do mount --bind "$0/dev/$node" "$0/dev/$node" || exit; done
    mount -o remount,bind,nosuid,nodev "$0/dev" && exec mount -o remount,bind,nodev "$0""
  `)
})

test('encodeRuntimeSpec() writes limits as whole numbers, and is misled by no text', () => {
  const args = ['echo', '"rlimits":[]', "$'"]
  const limits = [
    { name: 'nofile', soft: 5, hard: -1 },
    { name: 'core', soft: 0, hard: 0 },
  ]
  const text = encodeRuntimeSpec(runtimeSpec({ ...options, process: { ...options.process, args, limits } }))
  expect(/"rlimits":\[\{.*?\]/.exec(text)?.[0]).toBe(
    '"rlimits":[{"type":"RLIMIT_NOFILE","soft":5,"hard":18446744073709551615},{"type":"RLIMIT_CORE","soft":0,"hard":0}]',
  )
  expect(JSON.parse(text)).toMatchObject({ process: { args } })
})
