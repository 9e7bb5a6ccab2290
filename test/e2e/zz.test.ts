import { test } from 'vitest'
import { startDocker } from '../support/container.ts'
test('x', async () => {
  await using docker = await startDocker()
  const r = await docker.run(['node', '/ossb/dist/cli/ossb.js', 'build', '--progress=plain', '-o', 'type=oci,dest=/tmp/cage/lab/out.tar', '/tmp/cage/lab/ctx'], { volumes: ['/tmp/cage/lab', '/tmp/ossb-test-cache-0'], env: {XDG_CACHE_HOME: '/tmp/cage/lab/cache'}, options: ['--read-only','--shm-size=64m', '--tmpfs=/tmp'] })
  console.log(r.status, r.stdout, r.stderr)
})
