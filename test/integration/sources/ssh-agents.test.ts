import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { openSshAgents, type SshSource } from '../../../src/sources/index.ts'
import { mustRun } from '../../support/command.ts'
import { newDirectory } from '../../support/layer-files.ts'

const message = (type: number, ...content: readonly number[]) =>
  Buffer.from([0, 0, 0, 1 + content.length, type, ...content])
const FAILURE = message(5)

/** An agent that answers each request with its type. */
async function fakeAgent(path: string): Promise<AsyncDisposable & { readonly seen: number[] }> {
  const seen: number[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket
      .on('error', () => {})
      .on('data', (chunk: Buffer) => {
        const type = chunk[4] ?? 0
        seen.push(type)
        socket.write(message(type + 100))
      })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return {
    seen,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function say(path: string, ...requests: readonly Buffer[]): Promise<Buffer> {
  const socket = connect({ path, allowHalfOpen: true })
  socket.end(Buffer.concat(requests))
  return await buffer(socket)
}

function open(sources: readonly SshSource[], environment: Record<string, string> = {}) {
  return openSshAgents({
    sources,
    environment: { PATH: process.env['PATH'], ...environment },
    directory: newDirectory,
  })
}

test('an agent is asked for its keys and for signatures alone, in the order of the requests', async () => {
  const directory = newDirectory()
  const socket = join(directory, 'agent')
  await using agent = await fakeAgent(socket)
  await using agents = open([{ id: 'default', paths: [], raw: false }], { SSH_AUTH_SOCK: socket })
  const path = join(directory, 'forwarded')
  {
    await using _listening = await agents.listen('default', path)
    const answers = await say(path, message(19), message(11), message(17, 1, 2), message(13, 9), message(27))
    expect(answers).toEqual(Buffer.concat([FAILURE, message(111), FAILURE, message(113), FAILURE]))
    expect(agent.seen).toEqual([11, 13])
    expect(await say(path, Buffer.from([0xff, 0xff, 0xff, 0xff, 11]))).toHaveLength(0)
  }
  expect(existsSync(path)).toBe(false)
})

test('a raw agent hears all', async () => {
  const directory = newDirectory()
  const socket = join(directory, 'agent')
  await using agent = await fakeAgent(socket)
  await using agents = open([{ id: 'a', paths: [socket], raw: true }])
  const path = join(directory, 'forwarded')
  await using _listening = await agents.listen('a', path)
  expect(
    await new Promise((resolve) => {
      const client = connect(path)
      client.once('data', (answer) => {
        client.destroy()
        resolve(answer)
      })
      client.write(message(19))
    }),
  ).toEqual(message(119))
  expect(agent.seen).toEqual([19])
})

test('a socket may lie deeper than its address is long', async () => {
  const directory = join(newDirectory(), 'long'.repeat(30))
  mkdirSync(directory)
  const socket = join(newDirectory(), 'agent')
  await using _agent = await fakeAgent(socket)
  await using agents = open([{ id: 'a', paths: [socket], raw: false }])
  {
    await using _listening = await agents.listen('a', join(directory, 'forwarded'))
    expect(existsSync(join(directory, 'forwarded'))).toBe(true)
  }
  expect(existsSync(join(directory, 'forwarded'))).toBe(false)
})

test('keys are held by an agent that ends with the build; one with a passphrase is refused', async () => {
  const directory = newDirectory()
  const key = (name: string, passphrase: string) => {
    execFileSync('ssh-keygen', [
      '-q',
      '-t',
      'ed25519',
      '-N',
      passphrase,
      '-C',
      name,
      '-f',
      join(directory, name),
    ])
    return join(directory, name)
  }
  const agents = open([
    { id: 'keys', paths: [key('one', ''), key('two', '')], raw: false },
    { id: 'locked', paths: [key('three', 'passphrase')], raw: false },
  ])
  const path = join(directory, 'forwarded')
  const listening = await agents.listen('keys', path)
  const listed = await mustRun('ssh-add', ['-l'], { env: { ...process.env, SSH_AUTH_SOCK: path } })
  expect(listed.match(/\w+(?= \(ED25519\))/g)).toEqual(['one', 'two'])
  await expect(agents.listen('locked', path)).rejects.toThrow(
    'Cannot load the keys of the SSH agent "locked": ',
  )
  await listening[Symbol.asyncDispose]()
  await agents[Symbol.asyncDispose]()
})

test('openSshAgents() refuses what is neither one socket nor keys', async () => {
  const directory = newDirectory()
  const file = join(directory, 'file')
  const socket = join(directory, 'agent')
  writeFileSync(file, '')
  await using _agent = await fakeAgent(socket)
  const opening =
    (...paths: readonly string[]) =>
    () =>
      open([{ id: 'a', paths, raw: false }])
  expect(opening()).toThrow('invalid empty ssh agent socket, make sure SSH_AUTH_SOCK is set')
  expect(opening(join(directory, 'missing'))).toThrow('for the SSH agent "a": ENOENT')
  expect(opening(socket, socket)).toThrow('only single socket allowed')
  expect(opening(socket, file)).toThrow('invalid combination of keys and sockets')
  const bare = openSshAgents({
    sources: [{ id: 'a', paths: [file], raw: false }],
    environment: { PATH: directory },
    directory: newDirectory,
  })
  await expect(bare.listen('a', join(directory, 's'))).rejects.toThrow('Cannot run "ssh-agent"')
})
