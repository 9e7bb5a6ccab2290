import { expect, test } from 'vitest'
import { blobHeaders, signed } from '../../src/cloud/index.ts'

// "GET Object" of the examples in "Signature Calculations for the Authorization Header" (Amazon S3 API Reference).
test('a request for an object of S3 is signed as the published example is', () => {
  const { headers } = signed(
    {
      method: 'GET',
      url: 'https://examplebucket.s3.amazonaws.com/test.txt',
      headers: {
        range: 'bytes=0-9',
        'x-amz-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      },
    },
    { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
    { service: 's3', region: 'us-east-1', now: Date.UTC(2013, 4, 24) },
  )
  expect(headers?.['authorization']).toContain(
    'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  )
})

// The key is the public one of Azurite 3.35, which took headers that were made like this.
test('a request for a blob of Azure is signed with the key of its account', () => {
  const url = new URL('https://devstoreaccount1.blob.core.windows.net/ctx/a.tgz')
  const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
  expect(blobHeaders(url, { account: 'devstoreaccount1', key, now: Date.UTC(2026, 10, 28) })).toEqual({
    'x-ms-date': 'Sat, 28 Nov 2026 00:00:00 GMT',
    'x-ms-version': '2021-08-06',
    authorization: 'SharedKey devstoreaccount1:h+oHgfARO40FODVAUXPRERpf9MFdAOSkiA8+JhZaSxE=',
  })
})
