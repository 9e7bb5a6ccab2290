import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mustRunAsRoot } from './command.ts'
import { listDirectory, type RootfsListing } from './compare-rootfs.ts'

const AS_ROOT =
  process.getuid?.() === 0 ? [] : ['unshare', '--user', '--map-auto', '--map-root-user', '--mount', '--']

export interface BuildahBuild {
  readonly context: string
  readonly dockerfile: string
  /** Name under which the image is kept, and by which other builds may start from it. */
  readonly name: string
  readonly args: Readonly<Record<string, string>>
  readonly target?: string
}

export interface BuildahImage {
  /** The process settings, author included, of the Docker format: it has fields that the OCI format lacks. */
  readonly config: Readonly<Record<string, unknown>>
  readonly files: RootfsListing
}

/** One storage of buildah, for many builds. */
export interface BuildahStore {
  build(build: BuildahBuild): Promise<BuildahImage>
}

/** @param base an OCI layout tagged "base", which the builds get to know as `localhost/base:1` */
export async function createBuildahStore(directory: string, base: string): Promise<BuildahStore> {
  const [root, run] = [join(directory, 'root'), join(directory, 'run')]
  const store = ['--storage-driver', 'vfs', '--root', root, '--runroot', run]
  const target = `containers-storage:[vfs@${root}+${run}]localhost/base:1`
  await mustRunAsRoot('skopeo', ['copy', '--quiet', `oci:${base}:base`, target])
  return {
    build: async ({ context, dockerfile, name, args, target }) => {
      const how = ['--isolation', 'chroot', '--format', 'docker', '--layers=false', '--identity-label=false']
      const what = [
        ...Object.entries(args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
        ...(target === undefined ? [] : ['--target', target]),
        '--file',
        dockerfile,
        '--tag',
        name,
      ]
      await mustRunAsRoot('buildah', [...store, 'bud', '--quiet', ...how, ...what, context])
      const inspected = await mustRunAsRoot('buildah', [...store, 'inspect', '--type', 'image', name])
      const { Docker } = JSON.parse(inspected) as { Docker: { author?: string; config: object } }
      const files = await listDirectory(await topLayer(root, name), AS_ROOT)
      return { config: { ...Docker.config, author: Docker.author }, files }
    },
  }
}

/** The vfs driver keeps each layer as the whole tree that it and the layers below it make. */
async function topLayer(root: string, name: string): Promise<string> {
  const images = JSON.parse(await readFile(join(root, 'vfs-images/images.json'), 'utf8')) as {
    names?: string[]
    layer?: string
  }[]
  const layer = images.find((image) => image.names?.includes(name))?.layer
  if (layer === undefined) throw new Error(`buildah keeps no layer of ${name}`)
  return join(root, 'vfs/dir', layer)
}
