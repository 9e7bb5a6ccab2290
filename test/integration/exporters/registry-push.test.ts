import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRegistryExporter } from '../../../src/exporters/index.ts'
import { createRegistryClient, type RegistryClient } from '../../../src/registry/index.ts'
import { startRegistry } from '../../support/registry.ts'
import { imageOf, recordingJob, tarLayer } from '../../support/sample-image.ts'

let registry: Awaited<ReturnType<typeof startRegistry>>
let client: RegistryClient
beforeAll(async () => {
  registry = await startRegistry()
  client = createRegistryClient({
    insecureRegistries: [registry.host],
    environment: { PATH: process.env['PATH'] },
  })
})
afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await registry.stop()
})

const push = (names: readonly string[], image = imageOf([tarLayer({ a: '1' }), tarLayer({ b: '2' })])) =>
  createRegistryExporter({ names, format: 'oci', repository: (...of) => client.repository(...of) }).export(
    [image],
    recordingJob(),
  )
const inspect = (name: string) =>
  JSON.parse(
    execFileSync('skopeo', ['inspect', '--tls-verify=false', `docker://${name}`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  ) as { [member: string]: unknown }

describe('createRegistryExporter() with a registry', () => {
  test('pushes one image under several names in several repositories', async () => {
    const names = [`${registry.host}/team/app:1`, `${registry.host}/team/app:2`, `${registry.host}/other`]
    const { descriptor, outputs } = await push(names)
    for (const name of names) expect(inspect(name)['Digest']).toBe(descriptor.digest)
    expect(outputs).toEqual([`registry ${names[0]}`, `registry ${names[1]}`, `registry ${names[2]}:latest`])
  })

  test('moves a tag', async () => {
    const name = `${registry.host}/moved:1`
    await push([name])
    const { descriptor } = await push([name], imageOf([tarLayer({ c: '3' })]))
    expect(inspect(name)['Digest']).toBe(descriptor.digest)
  })

  test('reports the failure of one name and pushes the others', async () => {
    const good = `${registry.host}/partly:1`
    await expect(push([good, '127.0.0.1:1/nothing/here:1'])).rejects.toThrow(/127\.0\.0\.1:1/)
    expect(inspect(good)['Architecture']).toBe('amd64')
  })
})
