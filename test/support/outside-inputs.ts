import { miniBase } from './base-image.ts'
import { mustRun } from './command.ts'
import { type FileServer, startFileServer } from './file-server.ts'
import { type GitServer, startGitServer } from './git-server.ts'
import { type RunningRegistry, startRegistry } from './registry.ts'

/** A registry, a file server and a git server that a Dockerfile takes something from. */
export interface OutsideInputs extends AsyncDisposable {
  readonly registry: RunningRegistry
  readonly files: FileServer
  readonly git: GitServer
  /** Uses all of them, in every way in which an input is named. */
  readonly dockerfile: string
  /** Pushes a base image under a name, with an environment variable that tells it from others. */
  push(name: string, mark: string): Promise<void>
  /** Puts an index over images of the registry that have names. */
  pushIndex(
    name: string,
    entries: readonly { readonly name: string; readonly architecture: string }[],
  ): Promise<void>
}

const MODIFIED = 'Wed, 01 Jan 2020 00:00:00 GMT'

export async function startOutsideInputs(): Promise<OutsideInputs> {
  const stack: AsyncDisposable[] = []
  const registry = await startRegistry()
  const files = await startFileServer()
  const git = await startGitServer()
  stack.push(files, git)
  const push = async (name: string, mark: string) => {
    const copy = ['copy', '--quiet', '--dest-tls-verify=false', `oci:${await miniBase()}:base`]
    await mustRun('skopeo', [...copy, `docker://${registry.host}/${name}`])
    await markImage(registry.host, name, mark)
  }
  const serve = (name: string, text: string) =>
    files.files.set(name, (_request, response) => {
      response.setHeader('last-modified', MODIFIED)
      response.setHeader('etag', `"${text.length}"`)
      response.end(text)
    })
  serve('/data.txt', 'data\n')
  serve('/real.txt', 'redirected\n')
  files.files.set('/moved.txt', (_request, response) => {
    response.statusCode = 302
    response.setHeader('location', '/real.txt?signature=secret')
    response.end()
  })
  await git.create('module')
  await git.commit('module', { inner: 'inner\n' })
  await git.create('lib')
  await git.git(
    'lib',
    '-c',
    'protocol.file.allow=always',
    'submodule',
    '--quiet',
    'add',
    '../module',
    'module',
  )
  await git.commit('lib', { 'sub/a': 'a\n', b: 'b\n' })
  await git.git('lib', 'tag', 'v1')
  await push('base:host', 'base')
  await push('base:other', 'other')
  await push('tools:1', 'tools')
  return {
    registry,
    files,
    git,
    push,
    pushIndex: (name, entries) => pushIndex(registry.host, name, entries),
    dockerfile: [
      `FROM ${registry.host}/base:1 AS build`,
      `ADD ${files.url}/data.txt ${files.url}/moved.txt /files/`,
      `ADD ${git.url}/lib#v1:sub /sub/`,
      `ADD --keep-git-dir=true ${git.url}/lib#main /repository/`,
      `FROM ${registry.host}/base:1`,
      'COPY --from=build /files /files',
      'COPY --from=build /sub /repository /git/',
      `RUN --mount=from=${registry.host}/tools:1,target=/tools cat /tools/etc/passwd /git/b > /out`,
      '',
    ].join('\n'),
    [Symbol.asyncDispose]: async () => {
      for (const one of stack) await one[Symbol.asyncDispose]()
      await registry.stop()
    },
  }
}

interface Named {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'

async function must(response: Promise<Response>): Promise<Response> {
  const answer = await response
  if (!answer.ok) throw new Error(`${answer.url}: ${answer.status} ${await answer.text()}`)
  return answer
}

const placeOf = (host: string, name: string) => {
  const [repository = '', tag = ''] = name.split(':')
  return { url: `http://${host}/v2/${repository}`, tag }
}

/** Replaces the config of an image by one that has another label. */
async function markImage(host: string, name: string, mark: string): Promise<void> {
  const { url, tag } = placeOf(host, name)
  const manifest = (await (
    await must(fetch(`${url}/manifests/${tag}`, { headers: { accept: MANIFEST } }))
  ).json()) as { config: Named }
  const config = (await (await must(fetch(`${url}/blobs/${manifest.config.digest}`))).json()) as object
  const bytes = Buffer.from(JSON.stringify({ ...config, author: mark }))
  const digest = await digestOf(bytes)
  const upload = await must(fetch(`${url}/blobs/uploads/`, { method: 'POST' }))
  const location = new URL(upload.headers.get('location') ?? '', url)
  location.searchParams.set('digest', digest)
  await must(fetch(location, { method: 'PUT', body: bytes }))
  const marked = { ...manifest, config: { ...manifest.config, digest, size: bytes.length } }
  await put(`${url}/manifests/${tag}`, MANIFEST, marked)
}

async function pushIndex(
  host: string,
  name: string,
  entries: readonly { readonly name: string; readonly architecture: string }[],
): Promise<void> {
  const manifests = []
  for (const { name: entry, architecture } of entries) {
    const at = placeOf(host, entry)
    const answer = await must(fetch(`${at.url}/manifests/${at.tag}`, { headers: { accept: MANIFEST } }))
    const bytes = Buffer.from(await answer.arrayBuffer())
    manifests.push({
      mediaType: MANIFEST,
      digest: await digestOf(bytes),
      size: bytes.length,
      platform: { os: 'linux', architecture },
    })
  }
  const { url, tag } = placeOf(host, name)
  await put(`${url}/manifests/${tag}`, INDEX, { schemaVersion: 2, mediaType: INDEX, manifests })
}

async function put(url: string, type: string, document: object): Promise<void> {
  await must(fetch(url, { method: 'PUT', headers: { 'content-type': type }, body: JSON.stringify(document) }))
}

async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return `sha256:${Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex')}`
}
