import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestHex, digestOf } from '../../../src/core/index.ts'
import { createOciLayoutExporter, createStoreExporter } from '../../../src/exporters/index.ts'
import { createOciLayout } from '../../../src/store/index.ts'
import { imageOf, recordingJob, tarLayer } from '../../support/sample-image.ts'
import { validateImage } from '../../support/validate-image.ts'

let layout: string
beforeEach(() => {
  layout = mkdtempSync(join(tmpdir(), 'ossb-validate-'))
})
afterEach(() => rmSync(layout, { recursive: true, force: true }))

const layer = tarLayer({ a: '1' })
const blobPath = (digest: string) => join(layout, 'blobs', digest.replace(':', '/'))
const write = (image = imageOf([layer])) =>
  createOciLayoutExporter({ dest: layout, names: ['x:1'], format: 'oci' }).export([image], recordingJob())

describe('validateImage()', () => {
  test('finds nothing wrong with a good image', async () => {
    await write()
    expect(await validateImage(layout)).toEqual([])
  })

  test.each([
    [
      'an altered layer',
      () => writeFileSync(blobPath(layer.descriptor.digest), Buffer.alloc(1024)),
      /its bytes are sha256/,
    ],
    ['a missing layer', () => rmSync(blobPath(layer.descriptor.digest)), /: missing$/],
    [
      'another layout version',
      () => writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.1.0"}'),
      /not version 1.0.0/,
    ],
    [
      'a temporary file',
      () => writeFileSync(join(layout, 'blobs', 'sha256', '.tmp-x'), ''),
      /not the name of a blob/,
    ],
    [
      'a wrong size in index.json',
      () => replaceIn(join(layout, 'index.json'), /"size":\d+/, '"size":1'),
      /bytes, not 1$/,
    ],
    [
      'another platform in index.json',
      () => replaceIn(join(layout, 'index.json'), '"amd64"', '"arm64"'),
      /architecture is "amd64" in the config/,
    ],
  ])('finds %s', async (_, damage, problem) => {
    await write()
    damage()
    expect(await validateImage(layout)).toContainEqual(expect.stringMatching(problem))
  })

  test.each([
    [
      'a wrong diff_id',
      { rootfs: { type: 'layers', diff_ids: [digestOf('x')] } } as const,
      /diff_id is sha256:.* and the config says/,
    ],
    ['a history of another length', { history: [{}, {}] }, /history names 2 layers of 1/],
    ['a bad time', { created: 'yesterday' }, /"yesterday" is not an RFC 3339 time/],
    ['no architecture', { architecture: '' }, /config without architecture/],
  ])('finds %s', async (_, config, problem) => {
    const { rootfs } = imageOf([layer], config).config
    const [diffId = layer.diffId] = rootfs.diff_ids
    await write(imageOf([{ ...layer, diffId }], config))
    expect(await validateImage(layout)).toContainEqual(expect.stringMatching(problem))
  })

  function replaceIn(path: string, from: RegExp | string, to: string) {
    writeFileSync(path, readFileSync(path, 'utf8').replace(from, to))
  }
})

describe('createStoreExporter()', () => {
  test('keeps an image under its full names', async () => {
    const store = createOciLayout(layout)
    const names = ['app', 'r.io/x:2']
    const result = await createStoreExporter({ store, names, format: 'oci' }).export(
      [imageOf([layer])],
      recordingJob(),
    )
    expect(result.outputs).toEqual(['store docker.io/library/app:latest', 'store r.io/x:2'])
    expect(await store.resolve('r.io/x:2', recordingJob())).toMatchObject(result.descriptor)
    expect(await validateImage(layout)).toEqual([])
    expect(readdirSync(join(layout, 'blobs', 'sha256'))).toContain(digestHex(layer.descriptor.digest))
  })
})
