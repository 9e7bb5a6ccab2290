import { expect, test } from 'vitest'
import { proxyFor } from '../../../src/registry/proxy.ts'

const PROXY = 'http://proxy:3128'

test.each([
  ['https://r.io/', {}, undefined],
  ['https://r.io/', { HTTPS_PROXY: PROXY }, PROXY],
  ['https://r.io/', { https_proxy: PROXY }, PROXY],
  ['https://r.io/', { HTTP_PROXY: PROXY }, undefined],
  ['http://r.io/', { HTTP_PROXY: 'proxy:3128' }, PROXY],
  ['http://r.io/', { HTTP_PROXY: PROXY, REQUEST_METHOD: 'GET' }, undefined],
  ['http://localhost:5000/', { HTTP_PROXY: PROXY }, undefined],
  ['http://127.9.0.1:5000/', { HTTP_PROXY: PROXY }, undefined],
  ['http://[::1]:5000/', { HTTP_PROXY: PROXY }, undefined],
  ['https://r.io/', { HTTPS_PROXY: PROXY, NO_PROXY: '*' }, undefined],
  ['https://r.io/', { HTTPS_PROXY: PROXY, NO_PROXY: 'r.io' }, undefined],
  ['https://a.r.io/', { HTTPS_PROXY: PROXY, NO_PROXY: 'x, r.io' }, undefined],
  ['https://ar.io/', { HTTPS_PROXY: PROXY, NO_PROXY: 'r.io' }, PROXY],
  ['https://r.io/', { HTTPS_PROXY: PROXY, NO_PROXY: '.r.io' }, PROXY],
  ['https://a.r.io/', { HTTPS_PROXY: PROXY, no_proxy: '.R.io' }, undefined],
  ['https://a.r.io/', { HTTPS_PROXY: PROXY, NO_PROXY: '*.r.io' }, undefined],
  ['https://r.io/', { HTTPS_PROXY: PROXY, NO_PROXY: 'r.io:443' }, undefined],
  ['https://r.io/', { HTTPS_PROXY: PROXY, NO_PROXY: 'r.io:5000' }, PROXY],
  ['https://10.1.2.3:5000/', { HTTPS_PROXY: PROXY, NO_PROXY: '10.0.0.0/8' }, undefined],
  ['https://11.1.2.3:5000/', { HTTPS_PROXY: PROXY, NO_PROXY: '10.0.0.0/8' }, PROXY],
  ['https://10.1.2.3:5000/', { HTTPS_PROXY: PROXY, NO_PROXY: '10.1.2.3' }, undefined],
  ['https://10.1.2.3:5000/', { HTTPS_PROXY: PROXY, NO_PROXY: '10.0.0.0/99,/,10/8' }, PROXY],
  ['https://[fd00::1]/', { HTTPS_PROXY: PROXY, NO_PROXY: 'fd00::/8' }, undefined],
])('proxyFor(%s) with %j is %s', (url, environment, expected) => {
  expect(proxyFor(new URL(url), environment)).toBe(expected)
})
