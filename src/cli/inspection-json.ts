import { Buffer } from 'node:buffer'
import { basename } from 'node:path'
import type { CheckReport, Outline, OutlineMount, SourceFile, SourceRange, TargetList } from '../index.ts'

/*
 * The documents of `docker buildx build --call`, member for member.
 */

export function checkDocument({ file, warnings, error }: CheckReport): object {
  return {
    warnings: warnings.map(({ rule, description, url, detail, source }) => ({
      ruleName: rule,
      description,
      ...(url === undefined ? {} : { url }),
      detail,
      location: locationOf(source),
    })),
    sources: [{ filename: basename(file.name), language: 'Dockerfile', data: encoded(file) }],
    ...(error === undefined
      ? {}
      : {
          buildError: {
            message: error.message,
            ...(error.source === undefined ? {} : { location: locationOf(error.source) }),
          },
        }),
  }
}

export function outlineDocument({ file, name, description, args, secrets, ssh, caches }: Outline): object {
  return {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...list(
      'args',
      args.map(({ source, ...argument }) => ({
        name: argument.name,
        ...(argument.description === undefined ? {} : { description: argument.description }),
        ...(argument.value === undefined ? {} : { value: argument.value }),
        location: locationOf(source),
      })),
    ),
    ...list('secrets', secrets.map(mountRecord)),
    ...list('ssh', ssh.map(mountRecord)),
    ...list(
      'cache',
      caches.map(({ id, source }) => ({ ID: id, location: locationOf(source) })),
    ),
    sources: [encoded(file)],
  }
}

function mountRecord({ id, required, source }: OutlineMount): object {
  return { name: id, ...(required ? { required } : {}), location: locationOf(source) }
}

export function targetsDocument({ file, targets }: TargetList): object {
  return {
    targets: targets.map(({ name, description, isDefault, base, platform, source }) => ({
      ...(name === undefined ? {} : { name }),
      ...(isDefault ? { default: true } : {}),
      ...(description === undefined ? {} : { description }),
      base,
      ...(platform === undefined ? {} : { platform }),
      location: locationOf(source),
    })),
    sources: [encoded(file)],
  }
}

/** Empty lists are left out. */
function list(name: string, items: readonly object[]): object {
  return items.length === 0 ? {} : { [name]: items }
}

function locationOf({ startLine, endLine }: SourceRange): object {
  return { ranges: [{ start: { line: startLine, character: 0 }, end: { line: endLine, character: 0 } }] }
}

function encoded({ text }: SourceFile): string {
  return Buffer.from(text).toString('base64')
}
