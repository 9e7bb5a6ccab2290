import { closeSync, constants, openSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'
import { fileSystemError } from '../core/index.ts'

export interface ForwardOptions {
  /** Path of the agent's socket. */
  readonly agent: string
  /** Where the new socket is made. */
  readonly path: string
  readonly raw: boolean
}

/** Message numbers of the agent protocol (draft-ietf-sshm-ssh-agent, section 6.1). */
const REQUEST_IDENTITIES = 11
const SIGN_REQUEST = 13
const FAILURE = Buffer.from([0, 0, 0, 1, 5])
/** OpenSSH takes no longer ones. */
const LONGEST = 256 * 1024

/**
 * A socket of our own for an agent: with an owner and a mode of its own, and open only to what a login needs. A command
 * of a build has no business with adding keys to the agent of a person, removing or locking them.
 */
export async function forwardAgent({ agent, path, raw }: ForwardOptions): Promise<AsyncDisposable> {
  const connections = new Set<Socket>()
  const keep = (socket: Socket) => {
    connections.add(socket)
    socket.on('error', () => socket.destroy()).once('close', () => connections.delete(socket))
  }
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect(agent)
    keep(client)
    keep(upstream)
    client.once('close', () => upstream.destroy())
    upstream.once('close', () => client.end())
    if (raw) client.pipe(upstream).pipe(client)
    else
      answer(client, upstream)
        .catch(() => undefined)
        .finally(() => client.end())
  })
  const release = await listen(server, path)
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const connection of connections) connection.destroy()
      await closed
      release()
    },
  }
}

/** The address of a socket is 107 bytes at most, its directory by descriptor is always short. */
async function listen(server: Server, path: string): Promise<() => void> {
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(`/proc/self/fd/${directory}/${basename(path)}`, resolve)
    })
  } catch (error) {
    closeSync(directory)
    throw fileSystemError(`make the socket "${path}"`, error)
  }
  return () => closeSync(directory)
}

/** One request after the other, as the protocol answers them in their order. */
async function answer(client: Socket, upstream: Socket): Promise<void> {
  const answers = messages(upstream)
  for await (const request of messages(client)) {
    const type = request[4]
    if (type !== REQUEST_IDENTITIES && type !== SIGN_REQUEST) {
      client.write(FAILURE)
      continue
    }
    upstream.write(request)
    const { value, done } = await answers.next()
    if (done === true) return
    client.write(value)
  }
}

/** The messages of a stream, each with the four bytes of its length. */
async function* messages(stream: Socket): AsyncGenerator<Buffer, void> {
  let pending: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    pending = Buffer.concat([pending, chunk as Buffer])
    while (pending.length >= 4) {
      const end = 4 + pending.readUInt32BE(0)
      if (end > LONGEST) return
      if (pending.length < end) break
      yield pending.subarray(0, end)
      pending = pending.subarray(end)
    }
  }
}
