/**
 * Pushes a file as one blob and prints, as JSON, the largest resident size of the process in bytes. Runs from dist/:
 * node push-file.mjs HOST REPOSITORY FILE DIGEST
 */
import { createReadStream, statSync } from 'node:fs'
import { createRegistryClient } from '../../dist/registry/index.js'

const [registry, repository, file, digest] = process.argv.slice(2)
const job = { signal: new AbortController().signal, emit: () => {} }
const client = createRegistryClient({ insecureRegistries: [], environment: { HOME: '/nonexistent' } })
const blob = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: statSync(file).size }
await client
  .repository({ registry, repository })
  .put(blob, () => Promise.resolve(createReadStream(file, { highWaterMark: 1024 * 1024 })), job)
await client[Symbol.asyncDispose]()
// Kilobytes, as getrusage(2) counts them.
process.stdout.write(JSON.stringify({ maxRss: process.resourceUsage().maxRSS * 1024 }))
