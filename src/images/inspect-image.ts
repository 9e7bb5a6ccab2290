import {
  type Descriptor,
  formatPlatform,
  isIndexType,
  isManifestType,
  type Job,
  type Platform,
  parseImageLocation,
} from '../core/index.ts'
import {
  type BlobSource,
  type HistoryEntry,
  type ImageConfig,
  type Manifest,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from '../oci/index.ts'
import type {
  ImageInspection,
  InspectedEntry,
  InspectedImage,
  InspectedStep,
  InspectImageOptions,
} from '../options/index.ts'
import { readDocument } from '../registry/index.ts'
import { selectImage } from './selection.ts'
import { createPlaces, openSource } from './source.ts'

/** What an image, or an index of images, is made of. Layers are not read. */
export async function inspectImage(options: InspectImageOptions, job: Job): Promise<ImageInspection> {
  const location = parseImageLocation(options.image)
  await using places = createPlaces(options, job)
  await using opened = await openSource(location, places, options, job)
  const { source } = opened
  const platforms = options.platform === undefined ? 'all' : [options.platform]
  const { root } = await selectImage({ ...opened, reference: options.image }, platforms, job)
  const raw = await readDocument(source, root, job)
  const what = `the manifest of "${options.image}"`
  const referrers = options.referrers ? await source.referrers(root.digest, job) : undefined
  const about = {
    reference: options.image,
    descriptor: { mediaType: root.mediaType, digest: root.digest, size: root.size },
    raw,
    ...(referrers === undefined ? {} : { referrers }),
  }
  if (isIndexType(root.mediaType)) {
    const { manifests, annotations = {} } = parseIndex(raw, what)
    const entries = await Promise.all(manifests.map((entry) => inspectEntry(source, entry, job)))
    return { ...about, annotations, entries }
  }
  const manifest = parseManifest(raw, what)
  const image = await inspectManifest(source, manifest, `the config of "${options.image}"`, job)
  return {
    ...about,
    annotations: manifest.annotations ?? {},
    ...(image === undefined ? {} : { image }),
  }
}

async function inspectEntry(source: BlobSource, entry: Descriptor, job: Job): Promise<InspectedEntry> {
  // A copy of a part of an index may lack the rest.
  if (!isManifestType(entry.mediaType) || !(await source.has(entry, job))) return { descriptor: entry }
  const bytes = await readDocument(source, entry, job)
  return { descriptor: entry, totalSize: sizeOf(parseManifest(bytes, `manifest ${entry.digest}`)) }
}

function sizeOf({ config, layers }: Manifest): number {
  return layers.reduce((sum, { size }) => sum + size, config.size)
}

const CONFIGS: readonly string[] = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]

/** Undefined for a manifest of something else: an attestation, a chart. */
async function inspectManifest(
  source: BlobSource,
  manifest: Manifest,
  what: string,
  job: Job,
): Promise<InspectedImage | undefined> {
  if (!CONFIGS.includes(manifest.config.mediaType)) return undefined
  const config = parseImageConfig(await readDocument(source, manifest.config, job), what)
  return {
    platform: formatPlatform(platformOf(config)),
    config,
    configDescriptor: manifest.config,
    layers: manifest.layers,
    totalSize: sizeOf(manifest),
    history: alignHistory(config.history ?? [], manifest.layers),
  }
}

/** What a config says it runs on, as it says it. */
export function platformOf(config: ImageConfig): Platform {
  const { os, architecture, variant, 'os.version': version } = config
  return {
    os,
    architecture,
    ...(variant === undefined || variant === '' ? {} : { variant }),
    ...(version === undefined || version === '' ? {} : { 'os.version': version }),
  }
}

/** Each step with the layer that it made; layers that the history says nothing of come after it. */
function alignHistory(
  history: readonly HistoryEntry[],
  layers: readonly Descriptor[],
): readonly InspectedStep[] {
  let at = 0
  const steps = history.map((entry): InspectedStep => {
    const layer = entry.empty_layer === true ? undefined : layers[at++]
    return { entry, ...(layer === undefined ? {} : { layer }) }
  })
  return [...steps, ...layers.slice(at).map((layer) => ({ layer }))]
}
