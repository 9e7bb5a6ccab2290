import { expect, test } from 'vitest'
import { keepExtraCertificates, restoreExtraCertificates } from '../../../src/cli/extra-certificates.ts'

test('the extra certificates are kept from the Node that starts, and are there again in it', () => {
  const given = { PATH: '/bin', NODE_EXTRA_CA_CERTS: '/ca.pem' }
  const kept = keepExtraCertificates(given)
  expect(kept).toEqual({ PATH: '/bin', OSSB_EXTRA_CA_CERTS: '/ca.pem' })
  expect(restoreExtraCertificates(kept)).toEqual(given)
})

test('an environment without them is given on as it is', () => {
  const given = { PATH: '/bin' }
  expect(keepExtraCertificates(given)).toBe(given)
  expect(restoreExtraCertificates(given)).toBe(given)
})
