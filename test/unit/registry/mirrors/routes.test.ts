import { describe, expect, test } from 'vitest'
import { parseReference } from '../../../../src/core/index.ts'
import type { Place, Route } from '../../../../src/registry/mirrors/location.ts'
import { parseRegistriesConf } from '../../../../src/registry/mirrors/registries-conf.ts'
import { type RouteRules, routeOf } from '../../../../src/registry/mirrors/routes.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`

const shown = ({ registry, repository, insecure }: Place) =>
  `${registry}/${repository}${insecure ? ' (insecure)' : ''}`
const readOf = (route: Route) => route.read.map(shown)

const route = (reference: string, rules: Partial<RouteRules> = {}): Route =>
  routeOf(parseReference(reference), { maps: [], mirrorsOnly: false, registries: [], ...rules })

const conf = async (text: string) => ({ registries: await parseRegistriesConf(text, '/r.conf') })

test('without rules a reference is read and written where it says', () => {
  const { read, write } = route('r.io/team/app:1')
  expect(read).toEqual([write])
  expect(shown(write)).toBe('r.io/team/app')
})

describe('maps', () => {
  const map = (registry: string, ...mirrors: { host: string; prefix?: string; insecure?: boolean }[]) => ({
    registry,
    mirrors,
  })
  const maps = [
    map('index.docker.io', { host: '127.0.0.1:5101', prefix: 'docker.io' }, { host: 'M.io', insecure: true }),
    map('docker.io', { host: 'second.io' }),
    map('r.io', { host: 'harbor.io', prefix: 'proxy/r.io' }),
  ]

  test.each(['alpine', 'docker.io/library/alpine:3', 'registry-1.docker.io/library/alpine'])(
    'Docker Hub has one name: %s',
    (reference) => {
      expect(readOf(route(reference, { maps }))).toEqual([
        '127.0.0.1:5101/docker.io/library/alpine',
        'm.io/library/alpine (insecure)',
        'second.io/library/alpine',
        'docker.io/library/alpine',
      ])
    },
  )

  test('a path goes in front of the repository, dots or not', () => {
    const { read, write } = route('R.io/team/app', { maps })
    expect(read.map(shown)).toEqual(['harbor.io/proxy/r.io/team/app', 'r.io/team/app'])
    expect(shown(write)).toBe('r.io/team/app')
  })

  test('the registry itself may be left out of reading, where it has a mirror', () => {
    expect(readOf(route('r.io/x', { maps, mirrorsOnly: true }))).toEqual(['harbor.io/proxy/r.io/x'])
    expect(readOf(route('other.io/x', { maps, mirrorsOnly: true }))).toEqual(['other.io/x'])
    expect(shown(route('r.io/x', { maps, mirrorsOnly: true }).write)).toBe('r.io/x')
  })
})

describe('registries.conf', () => {
  test('the longest prefix counts, and ends where a part of the name does', async () => {
    const rules = await conf(`
      unqualified-search-registries = ["quay.io"]
      [aliases]
      "app" = "quay.io/app"
      [[registry]]
      location = "r.io"
      insecure = true
      [[registry]]
      prefix = "r.io/team"
      location = "team.io:5000/deep/"
      [[registry]]
      prefix = "r.io/team/app:old"
      location = "attic.io/app"
      [[registry]]
      prefix = "*.corp.io"
      insecure = true`)
    expect(readOf(route('r.io/x', rules))).toEqual(['r.io/x (insecure)'])
    expect(readOf(route('r.io/teams/x', rules))).toEqual(['r.io/teams/x (insecure)'])
    expect(readOf(route('r.io/team/app', rules))).toEqual(['team.io:5000/deep/app'])
    expect(readOf(route('r.io/team/app:older', rules))).toEqual(['team.io:5000/deep/app'])
    expect(readOf(route('r.io/team/app:old', rules))).toEqual(['attic.io/app'])
    expect(readOf(route('a.b.corp.io:99/x', rules))).toEqual(['a.b.corp.io:99/x'])
    expect(readOf(route('a.corp.io/x', rules))).toEqual(['a.corp.io/x (insecure)'])
    expect(readOf(route('corp.io/x', rules))).toEqual(['corp.io/x'])
    expect(shown(route('r.io/team/app', rules).write)).toBe('team.io:5000/deep/app')
  })

  test('mirrors come before the location, for what they are for', async () => {
    const rules = await conf(`
      [[registry]]
      prefix = "docker.io/library"
      location = "hub.corp.io/library"
      [[registry.mirror]]
      location = "all.io/hub"
      insecure = true
      [[registry.mirror]]
      location = "digests.io"
      pull-from-mirror = "digest-only"
      [[registry.mirror]]
      location = "tags.io"
      pull-from-mirror = "tag-only"
      [[registry]]
      location = "r.io"
      mirror-by-digest-only = true
      [[registry.mirror]]
      location = "m.io"`)
    expect(route('alpine:3', rules).read.map((place) => `${place.serves} ${shown(place)}`)).toEqual([
      'all all.io/hub/alpine (insecure)',
      'digests digests.io/alpine',
      'tags tags.io/alpine',
      'all hub.corp.io/library/alpine',
    ])
    expect(readOf(route(`alpine@${DIGEST}`, rules))).toEqual([
      'all.io/hub/alpine (insecure)',
      'digests.io/alpine',
      'hub.corp.io/library/alpine',
    ])
    expect(route('r.io/x', rules).read[0]).toMatchObject({ registry: 'm.io', serves: 'digests' })
  })

  test('flags come before it', async () => {
    const rules = await conf('[[registry]]\nlocation = "r.io"\n[[registry.mirror]]\nlocation = "conf.io"')
    const maps = [{ registry: 'r.io', mirrors: [{ host: 'flag.io' }] }]
    expect(readOf(route('r.io/x', { ...rules, maps }))).toEqual(['flag.io/x', 'conf.io/x', 'r.io/x'])
  })

  test('a blocked registry is refused, mirrors or not', async () => {
    const rules = await conf('[[registry]]\nprefix = "r.io/bad"\nblocked = true')
    expect(() => route('r.io/bad/app:1', rules)).toThrow(
      expect.objectContaining({
        code: 'ERR_OSSB_REGISTRY',
        message: 'Cannot use "r.io/bad/app": "/r.conf" blocks it',
        hint: 'It says "blocked = true" for "r.io/bad".',
      }),
    )
    expect(readOf(route('r.io/good/app', rules))).toEqual(['r.io/good/app'])
  })

  test.each([
    ['[[registry]]\nlocation = "r.io"\ninsecure = yes', '"/r.conf:3": '],
    ['[[registry]]\nlocation = "r.io"\ninsecure = "yes"', 'the member "registry.0.insecure" is wrong'],
    ['[[registry]]\ninsecure = true', 'a [[registry]] has neither prefix nor location'],
    ['[[registry]]\nlocation = "https://r.io"', '"https://r.io" is a URL'],
    [
      '[[registry]]\nlocation = "r.io"\n[[registry.mirror]]\ninsecure = true',
      '"registry.0.mirror.0.location"',
    ],
    [
      '[[registry]]\nlocation = "r.io"\n[[registry.mirror]]\nlocation = "m.io"\npull-from-mirror = "never"',
      '"registry.0.mirror.0.pull-from-mirror"',
    ],
    ['[[registry]]\nprefix = "*.r.io/team"', 'the prefix "*.r.io/team" has a path after "*."'],
    ['[registries.insecure]\nregistries = ["r.io"]', 'it is of version 1'],
  ])('%j is one error', async (text, why) => {
    const error: unknown = await parseRegistriesConf(text, '/r.conf').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'ERR_OSSB_USAGE' })
    expect((error as Error).message).toMatch(/^Cannot read the registries in "\/r\.conf/)
    expect((error as Error).message).toContain(why)
  })
})
