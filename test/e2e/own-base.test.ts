import { expect, test } from 'vitest'
import { miniBase } from '../support/base-image.ts'
import { listTarFile } from '../support/compare-rootfs.ts'
import { identities } from '../support/identity.ts'
import { createWorkspace } from '../support/workspace.ts'

const base = await miniBase()

test.each(await identities())(
  'an image serves as a base in the cache that it was built in, as $name',
  async (identity) => {
    await using workspace = await createWorkspace(identity)
    const layout = workspace.file('image')
    await workspace.write({
      'one/Dockerfile': `FROM oci-layout://${base}:base\nRUN echo first > /first && mkdir /gone && echo > /gone/file\nRUN rm -r /gone\n`,
      'two/Dockerfile': `FROM oci-layout://${layout}\nRUN test ! -e /gone && cat /first > /second\n`,
    })
    const build = async (...args: string[]): Promise<readonly string[]> => {
      const dest = workspace.file('root.tar')
      await workspace.mustOssb(['build', '-o', `type=tar,dest=${dest}`, ...args])
      return [...(await listTarFile(dest)).keys()].sort()
    }
    const one = await build('-o', `type=oci,tar=false,dest=${layout}`, 'one')
    expect(one).toContain('/first')
    expect(one).not.toContain('/gone')
    const two = await build('two')
    expect(two).toEqual([...one, '/second'].sort())
    // The first image again, with more on top of what is now also kept as a base.
    await workspace.write({
      'one/Dockerfile': `FROM oci-layout://${base}:base\nRUN echo first > /first && mkdir /gone && echo > /gone/file\nRUN rm -r /gone\nRUN test ! -e /gone && echo > /third\n`,
    })
    expect(await build('one')).toEqual([...one, '/third'].sort())
  },
)
