import { type Descriptor, formatBytes, type ImageInspection, type InspectedImage } from '../index.ts'
import { sanitizeText } from './progress/text.ts'

type Row = readonly [label: string, value: string | undefined]

/** An image, for people: facts, then configuration, layers and history, as far as there are any. */
export function imageText(inspection: ImageInspection): readonly string[] {
  const { descriptor, image, entries, annotations, referrers } = inspection
  return [
    ...table([
      ['Name', inspection.reference],
      ['Digest', descriptor.digest],
      ['Media type', descriptor.mediaType],
      ...(image === undefined ? [] : imageRows(image)),
    ]),
    ...section('Annotations', pairs(annotations)),
    ...(entries === undefined ? [] : section('Images', entryLines(entries))),
    ...(image === undefined ? [] : imageSections(image)),
    ...(referrers === undefined ? [] : section('Referrers', referrerLines(referrers), 'none')),
  ].map(sanitizeText)
}

function imageRows(image: InspectedImage): readonly Row[] {
  return [
    ['Platform', image.platform],
    ['Size', `${formatBytes(image.totalSize)} in ${image.layers.length} layers`],
    ['Created', image.config.created],
    ['Author', image.config.author],
    ['Image ID', image.configDescriptor.digest],
  ]
}

function imageSections({ config, layers, history }: InspectedImage): readonly string[] {
  const run = config.config ?? {}
  const words = (list: readonly string[] | undefined) =>
    list === undefined || list.length === 0 ? undefined : JSON.stringify(list)
  const settings: readonly Row[] = [
    ['User', run.User || undefined],
    ['Working directory', run.WorkingDir || undefined],
    ['Entrypoint', words(run.Entrypoint)],
    ['Command', words(run.Cmd)],
    ['Shell', words(run.Shell)],
    ['Exposed ports', Object.keys(run.ExposedPorts ?? {}).join(', ') || undefined],
    ['Volumes', Object.keys(run.Volumes ?? {}).join(', ') || undefined],
    ['Stop signal', run.StopSignal || undefined],
    ['Health check', healthcheckText(run.Healthcheck)],
    ['On build', words(run.OnBuild)],
  ]
  return [
    ...section('Configuration', table(settings)),
    ...section('Environment', run.Env ?? []),
    ...section('Labels', pairs(run.Labels ?? {})),
    ...section(
      'Layers',
      layers.map((layer, at) => `${String(at + 1).padStart(2)}  ${layerText(layer)}`),
    ),
    ...section('History', historyLines(history)),
  ]
}

function healthcheckText(
  check: NonNullable<InspectedImage['config']['config']>['Healthcheck'],
): string | undefined {
  if (check?.Test === undefined) return undefined
  const times = (['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const).flatMap((name) => {
    const nanoseconds = check[name]
    return nanoseconds === undefined || nanoseconds === 0 ? [] : [`${name} ${nanoseconds / 1e9}s`]
  })
  const retries = check.Retries === undefined || check.Retries === 0 ? [] : [`Retries ${check.Retries}`]
  return [JSON.stringify(check.Test), ...times, ...retries].join(', ')
}

function layerText({ digest, size, mediaType }: Descriptor): string {
  return `${digest}  ${formatBytes(size).padStart(6)}  ${mediaType}`
}

function entryLines(entries: NonNullable<ImageInspection['entries']>): readonly string[] {
  return entries.flatMap(({ descriptor, totalSize }) => {
    const { platform, digest, mediaType, annotations = {} } = descriptor
    const version = platform?.['os.version']
    const name =
      platform === undefined
        ? 'no platform'
        : [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')
    return [
      `${name}${version === undefined ? '' : ` ${version}`}`,
      ...table([
        ['Digest', digest],
        ['Media type', mediaType],
        ['Size', totalSize === undefined ? undefined : formatBytes(totalSize)],
      ]).map(indent),
      ...pairs(annotations).map(indent),
    ]
  })
}

/** `#3  1.20MB  RUN make`: a step with the layer that it made. */
function historyLines(history: InspectedImage['history']): readonly string[] {
  let layers = 0
  return history.map(({ entry, layer }) => {
    if (layer !== undefined) layers += 1
    const place = layer === undefined ? '' : `#${layers}`
    const size = layer === undefined ? '' : formatBytes(layer.size)
    const step = (entry?.created_by ?? '(no history)').replaceAll(/\s+/g, ' ').trim()
    return `${place.padStart(4)}  ${size.padStart(6)}  ${step}`.trimEnd()
  })
}

function referrerLines(referrers: readonly Descriptor[]): readonly string[] {
  return referrers.map(
    ({ digest, artifactType, mediaType, size }) =>
      `${digest}  ${formatBytes(size).padStart(6)}  ${artifactType ?? mediaType}`,
  )
}

function pairs(record: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(record).map(([key, value]) => `${key}=${value}`)
}

/** Labels and values in two columns; what has no value is left out. */
function table(rows: readonly Row[]): readonly string[] {
  const known = rows.filter((row): row is readonly [string, string] => row[1] !== undefined)
  const width = Math.max(0, ...known.map(([label]) => label.length))
  return known.map(([label, value]) => `${`${label}:`.padEnd(width + 1)}  ${value}`)
}

function section(title: string, lines: readonly string[], otherwise?: string): readonly string[] {
  const shown = lines.length === 0 && otherwise !== undefined ? [otherwise] : lines
  return shown.length === 0 ? [] : ['', title, ...shown.map(indent)]
}

function indent(line: string): string {
  return `  ${line}`
}
