import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readRouteFiles } from '../../../../src/registry/mirrors/route-files.ts'

const root = mkdtempSync(join(tmpdir(), 'ossb-routes-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

function write(name: string, location: string, prefix = 'test.invalid'): string {
  const path = join(root, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `[[registry]]\nprefix = "${prefix}"\nlocation = "${location}"\n`)
  return path
}

const locationIn = async (options: Parameters<typeof readRouteFiles>[0]) =>
  (await readRouteFiles(options)).find(({ prefix }) => prefix === 'test.invalid')?.location

test('a file that is named is the only one; else the files beside the usual one come after it', async () => {
  const HOME = join(root, 'home')
  const config = 'home/.config/containers/registries.conf'
  const named = write('named.conf', 'flag.io')
  write(config, 'main.io')
  expect(await locationIn({ environment: { HOME } })).toBe('main.io')
  write(`${config}.d/20.conf`, 'last.io')
  write(`${config}.d/10.conf`, 'first.io')
  write(`${config}.d/99.txt`, 'never.io')
  expect(await locationIn({ environment: { HOME } })).toBe('last.io')
  expect(await locationIn({ environment: { XDG_CONFIG_HOME: join(HOME, '.config') } })).toBe('last.io')
  const CONTAINERS_REGISTRIES_CONF = write('variable.conf', 'variable.io')
  expect(await locationIn({ environment: { HOME, CONTAINERS_REGISTRIES_CONF } })).toBe('variable.io')
  const environment = { HOME, CONTAINERS_REGISTRIES_CONF }
  expect(await locationIn({ environment, registriesConf: named })).toBe('flag.io')
})

test('a file that is named must be there', async () => {
  await expect(readRouteFiles({ environment: {}, registriesConf: '/gone.conf' })).rejects.toMatchObject({
    code: 'ERR_OSSB_USAGE',
    message: 'Cannot read "/gone.conf": ENOENT',
    hint: '--registries-conf or CONTAINERS_REGISTRIES_CONF names this file.',
  })
})
