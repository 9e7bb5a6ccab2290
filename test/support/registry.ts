import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createAuthority, type IssuedCertificate } from './certificates.ts'
import { startTokenServer, type TokenServer } from './token-server.ts'

export interface RegistryTestOptions {
  /** HTTPS, with a certificate of its own authority: see RunningRegistry.caFile. */
  readonly tls?: boolean
  /** With `tls`: clients must show a certificate of that authority. */
  readonly clientCertificates?: boolean
  /** Be a pull-through mirror of this registry (`http://HOST`), which must be up at the start. */
  readonly mirrorOf?: string
  /** Ask for this user: by Basic, or through a token server where `token` is set. */
  readonly auth?: { readonly user: string; readonly password: string }
  readonly token?: boolean
  /** Seconds that tokens live. */
  readonly tokenLifetime?: number
  /** What the token server answers to every POST. */
  readonly refusePost?: number
  /** Answer to GETs of blobs with a redirect to this URL. */
  readonly redirectBlobsTo?: string
  /** Give paths in Location headers, not URLs. */
  readonly relativeUrls?: boolean
  /** Repositories that no token gives access to. */
  readonly denied?: readonly string[]
  /** Manifests can't be deleted. */
  readonly keepsAll?: boolean
  readonly readOnly?: boolean
  /** What it takes its own address for, in Location headers. */
  readonly externalUrl?: string
}

export interface RunningRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string
  /** The certificate of the authority, where TLS is on. */
  readonly caFile?: string
  /** A certificate that it believes, where TLS is on. */
  readonly client?: IssuedCertificate
  /** Where the registry keeps its content. */
  readonly storage: string
  /** What the token server was asked, where there is one. */
  readonly tokenRequests: readonly string[]
  stop(): Promise<void>
}

/** Starts Debian's docker-registry on a free loopback port, with its storage in a temporary directory. */
export async function startRegistry(options: RegistryTestOptions = {}): Promise<RunningRegistry> {
  const directory = mkdtempSync(join(tmpdir(), 'ossb-registry-'))
  const storage = join(directory, 'storage')
  mkdirSync(storage)
  const certificates = options.tls ? makeCertificates(directory) : {}
  const tokens = options.token ? await startTokens(directory, options) : undefined
  const config = join(directory, 'config.yml')
  writeFileSync(
    config,
    configFor({ directory, storage, ...(tokens === undefined ? {} : { tokens }) }, options),
  )
  const child = spawn('docker-registry', ['serve', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: directory },
  })
  const stop = async () => {
    await stopProcess(child)
    await tokens?.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    const port = await portOf(child)
    return {
      host: `127.0.0.1:${port}`,
      ...certificates,
      storage,
      tokenRequests: tokens?.requests ?? [],
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

const SERVICE = 'ossb-test'
const ISSUER = 'ossb-test-issuer'

interface Place {
  readonly directory: string
  readonly storage: string
  readonly tokens?: TokenServer
}

function configFor({ directory, storage, tokens }: Place, options: RegistryTestOptions): string {
  const http: Record<string, unknown> = { addr: '127.0.0.1:0', secret: 'test' }
  if (options.relativeUrls) http['relativeurls'] = true
  if (options.externalUrl !== undefined) http['host'] = options.externalUrl
  if (options.tls)
    http['tls'] = {
      certificate: join(directory, 'server.crt'),
      key: join(directory, 'server.key'),
      ...(options.clientCertificates ? { clientcas: [join(directory, 'ca.crt')] } : {}),
    }
  const config: Record<string, unknown> = {
    version: 0.1,
    log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: storage },
      delete: { enabled: options.keepsAll !== true },
      ...(options.readOnly ? { maintenance: { readonly: { enabled: true } } } : {}),
    },
    http,
    // Foreign layers are refused by default.
    validation: { manifests: { urls: { allow: ['^http'] } } },
  }
  if (options.mirrorOf !== undefined) config['proxy'] = { remoteurl: options.mirrorOf }
  if (tokens !== undefined)
    config['auth'] = {
      token: {
        realm: tokens.realm,
        service: SERVICE,
        issuer: ISSUER,
        rootcertbundle: join(directory, 'token.crt'),
      },
    }
  else if (options.auth !== undefined) {
    const path = join(directory, 'htpasswd')
    const { user, password } = options.auth
    writeFileSync(path, execFileSync('htpasswd', ['-Bbn', user, password]))
    config['auth'] = { htpasswd: { realm: SERVICE, path } }
  }
  if (options.redirectBlobsTo !== undefined)
    config['middleware'] = { storage: [{ name: 'redirect', options: { baseurl: options.redirectBlobsTo } }] }
  // YAML reads JSON.
  return JSON.stringify(config)
}

async function startTokens(directory: string, options: RegistryTestOptions): Promise<TokenServer> {
  const certFile = join(directory, 'token.crt')
  const keyFile = join(directory, 'token.key')
  openssl(directory, [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=token',
    '-keyout',
    keyFile,
    '-out',
    certFile,
  ])
  return startTokenServer({
    issuer: ISSUER,
    service: SERVICE,
    certFile,
    keyFile,
    user: options.auth?.user ?? 'nobody',
    password: options.auth?.password ?? '',
    ...(options.tokenLifetime === undefined ? {} : { lifetime: options.tokenLifetime }),
    ...(options.denied === undefined ? {} : { denied: options.denied }),
    ...(options.refusePost === undefined ? {} : { refusePost: options.refusePost }),
  })
}

/** An authority, and certificates by it for the server and for a client. */
function makeCertificates(directory: string): Pick<RunningRegistry, 'caFile' | 'client'> {
  const authority = createAuthority(directory)
  authority.issue('server', { names: ['localhost', 'registry.test', '127.0.0.1'] })
  return { caFile: authority.caFile, client: authority.issue('client', { names: ['alice'] }) }
}

function openssl(cwd: string, args: readonly string[]): void {
  execFileSync('openssl', args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
}

/** The port that was chosen is only told in the log. */
async function portOf(child: ChildProcess): Promise<number> {
  const { stderr } = child
  if (stderr === null) throw new Error('docker-registry has no standard error')
  const lines: string[] = []
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`docker-registry ended at once:\n${lines.join('\n')}`)))
    createInterface({ input: stderr }).on('line', (line) => {
      lines.push(line)
      const port = /listening on [^ "]*:(\d+)/.exec(line)?.[1]
      if (port !== undefined) resolve(Number(port))
    })
  })
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const ended = once(child, 'exit')
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
  child.kill('SIGTERM')
  await ended
  clearTimeout(timer)
}
