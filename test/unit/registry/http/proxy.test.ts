import { expect, test } from 'vitest'
import { proxyFor } from '../../../../src/registry/http/proxy.ts'

const PROXY = 'http://proxy:3128/'

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
  expect(proxyFor(new URL(url), environment)?.url.href).toBe(expected)
})

test.each([
  ['http://al%40ice:se%3Acret@proxy:3128', 'al@ice:se:cret'],
  ['alice:100%@proxy:3128', 'alice:100%'],
  ['alice@proxy:3128', 'alice:'],
])('proxyFor() takes the user out of %s', (proxy, user) => {
  expect(proxyFor(new URL('https://r.io/'), { HTTPS_PROXY: proxy })).toEqual({
    url: new URL('http://proxy:3128'),
    authorization: `Basic ${Buffer.from(user).toString('base64')}`,
  })
})

test.each(['socks5://alice:secret@proxy', 'http://', 'ht tp://alice:secret@x'])(
  'proxyFor() refuses %s, and does not repeat it',
  (proxy) => {
    const find = () => proxyFor(new URL('https://r.io/'), { HTTPS_PROXY: proxy })
    expect(find).toThrow('Cannot use the proxy of HTTPS_PROXY: it is not an http or https URL')
  },
)
