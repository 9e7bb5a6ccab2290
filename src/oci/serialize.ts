import type { Healthcheck, HistoryEntry, ImageConfig, RuntimeConfig } from './types.ts'

/**
 * An image config as compact JSON. Members come in a fixed order with absent and empty ones left out, as BuildKit
 * writes them, so that equal configs have equal digests, here and there.
 */
export function serializeConfig(config: ImageConfig): string {
  return escapeHtml(
    JSON.stringify({
      architecture: config.architecture,
      author: nonEmpty(config.author),
      config: config.config === undefined ? {} : runtimeConfig(config.config),
      created: config.created,
      history: nonEmpty(config.history?.map(historyEntry)),
      'moby.buildkit.cache.v0': config['moby.buildkit.cache.v0'],
      os: config.os,
      'os.version': nonEmpty(config['os.version']),
      'os.features': nonEmpty(config['os.features']),
      rootfs: { type: config.rootfs.type, diff_ids: config.rootfs.diff_ids },
      variant: nonEmpty(config.variant),
    }),
  )
}

/** A manifest, an index, or any other document whose members are in order already: JSON indented by two blanks. */
export function serializeDocument(document: object): string {
  return escapeHtml(JSON.stringify(document, undefined, 2))
}

function runtimeConfig(config: RuntimeConfig): Required<Record<keyof RuntimeConfig, unknown>> {
  return {
    User: nonEmpty(config.User),
    ExposedPorts: sorted(config.ExposedPorts),
    Env: nonEmpty(config.Env),
    Entrypoint: nonEmpty(config.Entrypoint),
    Cmd: nonEmpty(config.Cmd),
    Volumes: sorted(config.Volumes),
    WorkingDir: nonEmpty(config.WorkingDir),
    Labels: sorted(config.Labels),
    StopSignal: nonEmpty(config.StopSignal),
    ArgsEscaped: config.ArgsEscaped || undefined,
    Healthcheck: config.Healthcheck === undefined ? undefined : healthcheck(config.Healthcheck),
    OnBuild: nonEmpty(config.OnBuild),
    Shell: nonEmpty(config.Shell),
  }
}

function healthcheck(check: Healthcheck): Required<Record<keyof Healthcheck, unknown>> {
  return {
    Test: nonEmpty(check.Test),
    Interval: check.Interval || undefined,
    Timeout: check.Timeout || undefined,
    StartPeriod: check.StartPeriod || undefined,
    StartInterval: check.StartInterval || undefined,
    Retries: check.Retries || undefined,
  }
}

function historyEntry(entry: HistoryEntry): Required<Record<keyof HistoryEntry, unknown>> {
  return {
    created: entry.created,
    created_by: nonEmpty(entry.created_by),
    author: nonEmpty(entry.author),
    comment: nonEmpty(entry.comment),
    empty_layer: entry.empty_layer || undefined,
  }
}

function nonEmpty<T extends string | readonly unknown[]>(value: T | undefined): T | undefined {
  return value === undefined || value.length === 0 ? undefined : value
}

function sorted(record: Readonly<Record<string, unknown>> | undefined): object | undefined {
  const entries = Object.entries(record ?? {})
  if (entries.length === 0) return undefined
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

const HTML_ESCAPES: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}

/** Go's encoding/json escapes these inside strings; outside strings JSON has none of them. */
function escapeHtml(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (character) => HTML_ESCAPES[character] ?? character)
}
