import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import type { RunningCommand } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { createWorkspace } from '../support/workspace.ts'

const base = await miniBase()
/** Longer than this, and ending does not count as "at once". */
const AT_ONCE_MS = 5_000

interface Ending {
  readonly how: string
  readonly signal: NodeJS.Signals
  readonly status: number
  readonly target: 'group' | 'process'
}

const ENDINGS: readonly Ending[] = [
  { how: 'Ctrl-C on a terminal', signal: 'SIGINT', status: 130, target: 'group' },
  { how: 'SIGINT to the builder', signal: 'SIGINT', status: 130, target: 'process' },
  { how: 'SIGTERM to the builder', signal: 'SIGTERM', status: 143, target: 'process' },
]

function send(running: RunningCommand, { signal, target }: Ending): number {
  const pid = running.child.pid ?? 0
  process.kill(target === 'group' ? -pid : pid, signal)
  return Date.now()
}

/** A registry that has nothing and takes uploads without ever answering. */
async function stallingRegistry(): Promise<
  AsyncDisposable & { readonly host: string; readonly uploading: Promise<void> }
> {
  let reached = (): void => {}
  const uploading = new Promise<void>((resolve) => (reached = resolve))
  const server: Server = createServer((request, response) => {
    if (request.method === 'POST') response.writeHead(202, { location: '/v2/app/blobs/uploads/1' }).end()
    else if (request.method === 'PUT' || request.method === 'PATCH') reached()
    else response.writeHead(request.url === '/v2/' ? 200 : 404).end()
    request.resume()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    uploading,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe.each(await identities())('as $name', (identity) => {
  test.each(ENDINGS)('$how during a RUN ends everything at once', async (ending) => {
    await using workspace = await createWorkspace(identity)
    const slow = `FROM oci-layout://${base}:base\nRUN touch /half && (sleep ${workspace.token}1 & setsid sleep ${workspace.token}2 & echo reached; sleep ${workspace.token}3)\n`
    await workspace.write({ 'app/Dockerfile': slow, 'out.tar': 'previous' })
    const running = workspace.startOssb([
      'build',
      '--progress',
      'plain',
      '-o',
      'type=oci,dest=out.tar',
      'app',
    ])
    await running.waitFor(/^#\d+ [\d.]+ reached/m)
    const sent = send(running, ending)
    const result = await running.done
    expect(Date.now() - sent).toBeLessThan(AT_ONCE_MS)
    expect(result.status).toBe(ending.status)
    expect(result.stderr).toMatch(/interrupted/i)
    expect(await workspace.leftovers()).toEqual([])
    expect(await readFile(workspace.file('out.tar'), 'utf8')).toBe('previous')

    await workspace.write({ 'app/Dockerfile': `FROM oci-layout://${base}:base\nRUN test ! -e /half\n` })
    await workspace.mustOssb(['build', '-o', 'type=oci,dest=out.tar', 'app'])
  })

  test('Ctrl-C during a push ends it at once', async () => {
    await using workspace = await createWorkspace(identity)
    await using registry = await stallingRegistry()
    await workspace.write({
      'app/Dockerfile': 'FROM scratch\nCOPY file /\n',
      'app/file': 'x'.repeat(100_000),
    })
    const name = `${registry.host}/app:1`
    const running = workspace.startOssb([
      'build',
      '--insecure-registry',
      registry.host,
      '-t',
      name,
      '--push',
      'app',
    ])
    await Promise.race([registry.uploading, running.done])
    const sent = send(running, { how: '', signal: 'SIGINT', status: 130, target: 'group' })
    const result = await running.done
    expect(Date.now() - sent).toBeLessThan(AT_ONCE_MS)
    expect(result.status).toBe(130)
    expect(result.stderr).toMatch(/interrupted/i)
    expect(await workspace.leftovers()).toEqual([])
    await workspace.mustOssb(['build', '-o', 'type=oci,dest=out.tar', 'app'])
  })

  test('a builder that is killed leaves no process, and the next build works', async () => {
    await using workspace = await createWorkspace(identity)
    const dockerfile = `FROM oci-layout://${base}:base\nRUN echo reached; sleep ${workspace.token}; echo done\n`
    await workspace.write({ 'app/Dockerfile': dockerfile })
    const running = workspace.startOssb(['build', '--progress', 'plain', 'app'])
    await running.waitFor(/^#\d+ [\d.]+ reached/m)
    process.kill(running.child.pid ?? 0, 'SIGKILL')
    await running.done
    await expect
      .poll(() => workspace.leftovers(), { timeout: AT_ONCE_MS })
      .not.toContainEqual(expect.stringMatching(/^(process|mount)/))
    await workspace.write({ 'app/Dockerfile': dockerfile.replace(workspace.token, '0') })
    await workspace.mustOssb(['build', 'app'])
  })
})
