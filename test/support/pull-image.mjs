/**
 * Pulls an image into an OCI layout and gives it its tag there. Runs from dist/:
 * node pull-image.mjs HOST REPOSITORY TAG DIRECTORY
 */
import { copy, createRegistryClient } from '../../dist/registry/index.js'
import { createOciLayout } from '../../dist/store/index.js'

const [registry, repository, tag, directory] = process.argv.slice(2)
const job = { signal: new AbortController().signal, emit: () => {} }
const client = createRegistryClient({ insecureRegistries: [], environment: { HOME: '/nonexistent' } })
const source = client.repository({ registry, repository })
const destination = createOciLayout(directory)
const image = await source.resolve(tag, job)
await copy(source, destination, image, job)
await destination.tag(image, tag, job)
await client[Symbol.asyncDispose]()
