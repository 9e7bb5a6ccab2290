import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { mustRun } from '../support/command.ts'
import { identities } from '../support/identity.ts'
import { type RunningRegistry, startRegistry } from '../support/registry.ts'
import { createWorkspace, type Workspace } from '../support/workspace.ts'

const USER = { user: 'builder', password: 'pass:word "signs"' }
const base = await miniBase()
let registry: RunningRegistry

beforeAll(async () => {
  registry = await startRegistry({ auth: USER, token: true })
})

afterAll(() => registry?.stop())

const login = (workspace: Workspace, password: string, ...args: string[]) =>
  workspace.ossb(['login', '-u', USER.user, '--password-stdin', ...args, registry.host], { input: password })

describe.each(await identities())('as $name', (identity) => {
  test('after a login a build pulls and pushes, as do others; after a logout none of them does', async () => {
    await using workspace = await createWorkspace(identity)
    const name = `${registry.host}/app/${identity.name.replace(' ', '-')}:1`
    await workspace.write({ 'app/Dockerfile': `FROM oci-layout://${base}:base\nRUN true\n` })
    const build = () => workspace.ossb(['build', '-t', name, '--push', 'app'])
    const before = await build()
    expect(before.status).toBe(1)
    expect(before.stderr).toContain(`Log in with "ossb login ${registry.host}"`)

    const wrong = await login(workspace, 'wrongpassword')
    expect(wrong.status).toBe(1)
    expect(wrong.stderr).toContain(
      `ERROR: Cannot log in to "${registry.host}": login refused: 401 UNAUTHORIZED`,
    )
    expect(wrong.stdout + wrong.stderr).not.toContain('wrongpassword')

    const file = workspace.file('home/.docker/config.json')
    expect(await login(workspace, `${USER.password}\n`)).toMatchObject({
      status: 0,
      stdout: `Logged in to ${registry.host} as builder. The password is kept in the file ${file}.\n`,
      stderr: '',
    })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await build()).status).toBe(0)
    await mustRun('skopeo', ['inspect', '--authfile', file, '--tls-verify=false', `docker://${name}`])

    expect(await workspace.mustOssb(['logout', registry.host])).toMatchObject({
      stdout: `Logged out of ${registry.host}.\n`,
    })
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ auths: {} })
    expect((await build()).status).toBe(1)
    expect(await workspace.leftovers()).toEqual([])
  })

  test('an authfile serves a build, and is the only one', async () => {
    await using workspace = await createWorkspace(identity)
    await workspace.write({ 'app/Dockerfile': 'FROM scratch\nCOPY Dockerfile /\n' })
    expect((await login(workspace, USER.password, '--authfile', 'auth.json')).status).toBe(0)
    const build = ['build', '-t', `${registry.host}/app/auth:1`, '--push', '--authfile']
    await workspace.mustOssb([...build, 'auth.json', 'app'])
    const missing = await workspace.ossb([...build, 'gone.json', 'app'])
    expect(missing.stderr).toContain('ERROR: Cannot read credentials from the file gone.json: ENOENT')
  })

  test('a terminal is asked, and does not show the password', async () => {
    await using workspace = await createWorkspace(identity)
    const command = `'${identity.node}' '${identity.program}' login ${registry.host}`
    const { uid, gid } = identity
    const child = spawn('script', ['--quiet', '--return', '--flush', '--command', command, '/dev/null'], {
      cwd: workspace.path,
      env: workspace.environment(),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    })
    let seen = ''
    const answers: [RegExp, string][] = [
      [/User name for .*: $/, 'builder\r'],
      [/Password for builder at .*: $/, `${USER.password}\r`],
    ]
    child.stdout.on('data', (chunk: Buffer) => {
      seen += chunk.toString()
      // Readline moves the cursor after its question.
      const shown = seen.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '')
      if (answers[0]?.[0].test(shown)) child.stdin.write(answers.shift()?.[1] ?? '')
    })
    const [status] = (await once(child, 'close')) as [number]
    expect(seen).toContain(`Logged in to ${registry.host} as builder.`)
    expect(seen).not.toContain('signs')
    expect(status).toBe(0)
  })
})
