import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/index.ts'
import { openOciArchive } from '../../../src/store/index.ts'
import { miniBase } from '../../support/base-image.ts'
import { mustRun } from '../../support/command.ts'
import { recordingJob } from '../../support/registry-image.ts'

const job = recordingJob()
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ossb-archive-'))
})

afterAll(async () => {
  await rm(directory, { recursive: true })
})

const file = (name: string) => join(directory, name)

describe('openOciArchive()', () => {
  test.each(['ustar', 'gnu', 'posix'])(
    'reads blobs from their places in a tar of format %s',
    async (format) => {
      const path = file(`${format}.tar`)
      await mustRun('tar', [`--format=${format}`, '-C', await miniBase(), '-cf', path, '.'])
      const archive = await openOciArchive(path)
      const root = await archive.resolve('base', job)
      expect(await archive.resolve(root.digest, job)).toMatchObject({ digest: root.digest, size: root.size })
      const manifest = JSON.parse((await buffer(await archive.open(root, job))).toString()) as {
        layers: (typeof root)[]
      }
      for (const layer of manifest.layers) {
        expect(await archive.has(layer, job)).toBe(true)
        expect(digestOf(await buffer(await archive.open(layer, job)))).toBe(layer.digest)
      }
    },
  )

  test('reads names and sizes from extended headers', async () => {
    await mkdir(file('long/blobs/sha256'), { recursive: true })
    const deep = join('a'.repeat(120), 'b'.repeat(120))
    await mkdir(file(`long/${deep}`), { recursive: true })
    await writeFile(file(`long/${deep}/c`), 'deep\n')
    await writeFile(file('long/index.json'), '{"schemaVersion":2,"manifests":[]}')
    await mustRun('tar', ['--format=posix', '-C', file('long'), '-cf', file('long.tar'), '.'])
    expect((await (await openOciArchive(file('long.tar'))).file(`${deep}/c`))?.toString()).toBe('deep\n')
  })

  test('an archive that is damaged gives an error and no content', async () => {
    await mustRun('tar', ['-C', await miniBase(), '-cf', file('good.tar'), '.'])
    const bytes = await readFile(file('good.tar'))
    const archive = await openOciArchive(file('good.tar'))
    const root = await archive.resolve('base', job)
    const at = bytes.indexOf('"schemaVersion"')
    for (let next = at; next !== -1; next = bytes.indexOf('"schemaVersion"', next + 1))
      bytes.write('"SCHEMAVERSION"', next)
    await writeFile(file('bad.tar'), bytes)
    await expect(
      openOciArchive(file('good.tar')).then(async (one) => await buffer(await one.open(root, job))),
    ).resolves.toBeDefined()
    await writeFile(file('good.tar'), bytes)
    await expect(archive.open(root, job).then(buffer)).rejects.toMatchObject({ code: 'ERR_OSSB_INTEGRITY' })
  })

  test.each([
    ['no tar archive', 'words '.repeat(200), 'it is no tar archive, or is cut off'],
    ['an empty file', '', 'it has no index.json'],
  ])('refuses %s', async (_name, text, why) => {
    await writeFile(file('other'), text)
    await expect(openOciArchive(file('other'))).rejects.toThrow(
      `Cannot read the archive "${file('other')}": ${why}`,
    )
  })

  test('says what it has not', async () => {
    await mustRun('tar', ['-C', await miniBase(), '-cf', file('base.tar'), '.'])
    const archive = await openOciArchive(file('base.tar'))
    const absent = { mediaType: 'x', digest: digestOf('absent'), size: 6 }
    await expect(archive.resolve('none', job)).rejects.toMatchObject({ code: 'ERR_OSSB_NOT_FOUND' })
    await expect(archive.resolve(absent.digest, job)).rejects.toMatchObject({ code: 'ERR_OSSB_NOT_FOUND' })
    await expect(archive.open(absent, job)).rejects.toMatchObject({ code: 'ERR_OSSB_NOT_FOUND' })
    expect(await archive.has(absent, job)).toBe(false)
    await expect(openOciArchive(file('nowhere'))).rejects.toMatchObject({ code: 'ERR_OSSB_FILESYSTEM' })
  })
})
