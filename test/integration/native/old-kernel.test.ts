import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { environmentsWithout, makeRoot, openDirectory, run } from './environment.ts'

// mount_setattr came with Linux 5.12, close_range with 5.9.
describe.each(environmentsWithout('mount_setattr', 'close_range'))(
  'a RUN as $name on Linux 5.8',
  (environment) => {
    test('finds what is read-only read-only, no device, and no descriptor', async () => {
      const source = join(openDirectory(), 'file')
      writeFileSync(source, 'kept')
      const { stdout } = await run(
        environment,
        makeRoot(environment),
        `for f in /file /proc/sys/kernel/hostname /proc/sysrq-trigger; do { true >>$f; } 2>/dev/null && echo wrote $f; done
       mkdir /sys/fs/cgroup/evil /sys/fs/cgroup/*/evil 2>/dev/null && echo cgroup
       mknod -m 666 /tmp/mem c 1 1 2>/dev/null; head -c 1 /tmp/mem 2>/dev/null | grep -q . && echo memory
       cat /proc/keys /proc/timer_list /file; echo; for fd in /proc/self/fd/*; do readlink $fd; done | sed 's/[0-9][0-9]*/N/g' | sort -u`,
        { mounts: [{ type: 'bind', source, target: '/file', readonly: true }] },
      )
      expect(stdout).toBe('kept\n/dev/null\npipe:[N]\n')
      expect(readFileSync(source, 'utf8')).toBe('kept')
    })
  },
)
