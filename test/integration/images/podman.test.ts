import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openArchive } from '../../../src/images/index.ts'
import { readAll } from '../../../src/io/index.ts'
import { parseManifest } from '../../../src/oci/index.ts'
import { IDLE } from '../../support/layer-files.ts'

/**
 * What `podman save` of version 4.3.1 wrote, compressed to spare room: in Docker's format both images, in OCI's the
 * second. The IDs are those that podman gives them: the digests of their configs.
 */
const FIXTURES = new URL('../../fixtures/podman', import.meta.url).pathname
const ONE = 'sha256:2126af844495af520ac14a294578f5a2a3b450a1cee40cb4f231e605ac4496f2'
const TWO = 'sha256:93715f6c58681426734f3dd479aebc4e3cd55ea6156d4531605cc6010d1c4916'
const DIFF_IDS = [
  'sha256:e469e3fca14ad34ba093d1d8ba2f069af85188f73ea0fb339bee81e01dc70e6a',
  'sha256:78bef350a8c239943bade89852219ee37deee49cbea88c74aedaf9b98727eb5e',
]

test.each([
  ['docker-archive', 'localhost/small/one:1', ONE],
  ['docker-archive', 'localhost/small/two:1', TWO],
  ['oci-archive', 'localhost/small/two:1', TWO],
] as const)(
  'an archive of podman save --format %s gives %s with its ID and layers',
  async (type, name, id) => {
    using archive = await openArchive(type, join(FIXTURES, `${type}.tar.gz`), IDLE)
    const image = await archive.resolve(name, IDLE)
    const bytes = await readAll(await archive.open(image, IDLE), image.size, 'the manifest')
    const { config, layers } = parseManifest(bytes, 'the manifest')
    expect(config.digest).toBe(id)
    // Read to their ends, they are checked.
    for (const blob of [config, ...layers])
      expect(await readAll(await archive.open(blob, IDLE), blob.size, 'a blob')).toHaveLength(blob.size)
    const diffIds = DIFF_IDS.slice(0, id === ONE ? 1 : 2)
    expect(layers).toHaveLength(diffIds.length)
    // In Docker's format layers are as they are unpacked.
    if (type === 'docker-archive') expect(layers.map(({ digest }) => digest)).toEqual(diffIds)
  },
)
