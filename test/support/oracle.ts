import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mustRun, mustRunAsRoot } from './command.ts'
import { listDirectory, type RootfsListing } from './compare-rootfs.ts'
import type { ImageConfigDocument } from './read-archive.ts'

const AS_ROOT =
  process.getuid?.() === 0 ? [] : ['unshare', '--user', '--map-auto', '--map-root-user', '--mount', '--']

/** An image as other tools see it. */
export interface ForeignView {
  readonly config: ImageConfigDocument
  readonly files: RootfsListing
}

/** A temporary directory for tools, removed at the end of the scope. */
export async function toolDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'ossb-tools-'))
  return { path, [Symbol.asyncDispose]: async () => void (await mustRunAsRoot('rm', ['-rf', path])) }
}

/** The image built by buildah from the same Dockerfile with BASE=`base`, an OCI layout; its store is in `directory`. */
export async function buildWithBuildah(
  directory: string,
  context: string,
  base: string,
): Promise<ForeignView> {
  const [root, run, layout] = [join(directory, 'root'), join(directory, 'run'), join(directory, 'layout')]
  // Buildah itself would name the base after its path, which may hold letters that a name may not.
  const stored = `containers-storage:[vfs@${root}+${run}]localhost/base:1`
  await mustRunAsRoot('skopeo', ['copy', '--quiet', `oci:${base}:base`, stored])
  const store = ['--storage-driver', 'vfs', '--root', root, '--runroot', run]
  const how = ['--isolation', 'chroot', '--format', 'oci', '--layers=false', '--identity-label=false']
  const what = ['--build-arg', 'BASE=localhost/base:1', '--tag', 'localhost/oracle']
  await mustRunAsRoot('buildah', [...store, 'bud', ...how, ...what, context])
  await mustRunAsRoot('buildah', [...store, 'push', '--quiet', 'localhost/oracle', `oci:${layout}:image`])
  return viewLayout(directory, layout)
}

/** An OCI layout directory tagged "image", with skopeo's eyes and umoci's. */
export async function viewLayout(directory: string, layout: string): Promise<ForeignView> {
  const config = JSON.parse(
    await mustRunAsRoot('skopeo', ['inspect', '--config', `oci:${layout}:image`]),
  ) as ImageConfigDocument
  return { config, files: await unpackedFiles(directory, `${layout}:image`) }
}

/** The root file system of `layout:tag` as umoci unpacks it, into `directory`. */
export async function unpackedFiles(directory: string, image: string): Promise<RootfsListing> {
  const bundle = join(directory, 'bundle')
  await mustRunAsRoot('umoci', ['unpack', '--image', image, bundle])
  return listDirectory(join(bundle, 'rootfs'), AS_ROOT)
}

/** Runs the bundle that `viewLayout` left, with crun, and gives what it prints. */
export async function runBundle(directory: string): Promise<string> {
  const bundle = join(directory, 'bundle')
  const path = join(bundle, 'config.json')
  const spec = JSON.parse(await readFile(path, 'utf8'))
  spec.process.terminal = false
  delete spec.process.rlimits
  delete spec.linux.resources
  spec.mounts = spec.mounts.filter((mount: { destination: string }) => mount.destination !== '/sys/fs/cgroup')
  await writeFile(path, JSON.stringify(spec))
  // crun refuses to start where the first and second version of cgroups are both mounted; the container needs neither.
  const script =
    'mount -t tmpfs none /sys/fs/cgroup && exec crun --cgroup-manager=disabled --root "$1/crun" run --bundle "$1/bundle" "ossb-test-$$"'
  const [command, ...rest] = [...AS_ROOT, 'unshare', '--mount', 'sh', '-c', script, 'sh', directory]
  return mustRun(command, rest)
}
