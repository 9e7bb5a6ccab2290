import { describe, expect, test } from 'vitest'
import { parseOutputs } from '../../../src/cli/output-spec.ts'

const CONTEXT = { push: false, tagged: true, stdoutIsTerminal: false }

describe('parseOutputs()', () => {
  test.each([
    ['image', { type: 'image', push: false }],
    ['registry', { type: 'image', push: true }],
    ['tar', { type: 'tar', dest: 'rootfs.tar' }],
    ['local', { type: 'local', dest: 'rootfs' }],
    ['-', { type: 'tar', dest: '-' }],
    ['out/dir', { type: 'local', dest: 'out/dir' }],
    ['constructor', { type: 'local', dest: 'constructor' }],
    ['type=oci,dest=a.tar', { type: 'oci', dest: 'a.tar', tar: true }],
    ['type=oci', { type: 'oci', dest: '-', tar: true }],
    ['type=oci,tar=false,dest=layout', { type: 'oci', dest: 'layout', tar: false }],
    ['type=docker,dest=a.tar,name=x:1', { type: 'docker', dest: 'a.tar', names: ['x:1'] }],
    ['type=docker,dest=-', { type: 'docker', dest: '-' }],
    ['type=tar', { type: 'tar', dest: '-' }],
    ['type=tar,platform-split=false', { type: 'tar', dest: '-', platformSplit: false }],
    [
      'type=image,annotation.a.B=c,annotation-index-descriptor[linux/arm64].d=',
      {
        type: 'image',
        push: false,
        annotations: [
          { level: 'manifest', key: 'a.b', value: 'c' },
          { level: 'index-descriptor', platform: 'linux/arm64', key: 'd', value: '' },
        ],
      },
    ],
    ['TYPE=tar, Dest=a=b.tar', { type: 'tar', dest: 'a=b.tar' }],
    ['type=local,dest=x', { type: 'local', dest: 'x' }],
    ['type=image,"name=a,b:2",push=true', { type: 'image', push: true, names: ['a', 'b:2'] }],
    ['type=registry,name=r.io/a', { type: 'image', push: true, names: ['r.io/a'] }],
    ['type=tar,"dest=a,""b"".tar"', { type: 'tar', dest: 'a,"b".tar' }],
  ])('reads %s', (text, output) => {
    expect(parseOutputs([text], CONTEXT).outputs).toEqual([output])
  })

  test('takes what holds for all outputs from their attributes', () => {
    const { settings } = parseOutputs(
      [
        'type=oci,dest=a,compression=zstd,compression-level=3,oci-mediatypes=false,rewrite-timestamp=true',
        'type=docker,dest=b,compression=zstd',
      ],
      CONTEXT,
    )
    expect(settings).toEqual({
      compression: 'zstd',
      compressionLevel: '3',
      imageFormat: 'docker',
      rewriteTimestamp: true,
    })
  })

  test.each([
    [[], [{ type: 'image', push: true }]],
    [['image'], [{ type: 'image', push: true }]],
    [
      ['tar'],
      [
        { type: 'tar', dest: 'rootfs.tar' },
        { type: 'image', push: true },
      ],
    ],
  ])('--push with %j pushes one image', (texts, outputs) => {
    expect(parseOutputs(texts, { ...CONTEXT, push: true }).outputs).toEqual(outputs)
  })

  test.each([
    [['dest=x'], 'Cannot use --output "dest=x": type is required for output'],
    [['type=zip,dest=x'], 'Cannot use --output "type=zip,dest=x": there is no type "zip"'],
    [['type=constructor'], 'Cannot use --output "type=constructor": there is no type "constructor"'],
    [['type=oci,x'], 'Cannot use --output "type=oci,x": "x" is not KEY=VALUE'],
    [['type=tar,dest=x,name=y'], 'Cannot use --output "type=tar,dest=x,name=y": type=tar has no "name"'],
    [['type=oci,tar=false'], 'Cannot use --output "type=oci,tar=false": a layout directory needs dest'],
    [['type=docker,tar=0'], 'Cannot use --output "type=docker,tar=0": a docker archive is one tar file'],
    [['type=local'], 'Cannot use --output "type=local": dest is required for local exporter'],
    [
      ['type=local,dest=-'],
      'Cannot use --output "type=local,dest=-": dest cannot be stdout for local exporter',
    ],
    [['oci'], 'Cannot use --output oci: it does not say where to'],
    [['type=image,push=maybe'], 'Cannot use "maybe" for push of --output'],
    [
      ['type=image,compression=xz'],
      'Cannot use "xz" for compression of --output: there is no such compression',
    ],
    [
      ['type=image,compression=gzip', 'type=oci,dest=x,compression=zstd'],
      'Cannot use several values for compression of --output: "gzip" and "zstd"',
    ],
    [['-', 'type=oci'], 'Cannot use --output: multiple outputs configured to write to stdout'],
    [['type=image,"name=a'], "Cannot use --output 'type=image,\"name=a': a quote is out of place"],
  ])('refuses %j', (texts, message) => {
    expect(() => parseOutputs(texts, CONTEXT)).toThrow(
      expect.objectContaining({ code: 'ERR_OSSB_USAGE', message, hint: expect.any(String) }),
    )
  })

  test('refuses to push an image without a name', () => {
    expect(() => parseOutputs([], { ...CONTEXT, push: true, tagged: false })).toThrow(
      'Cannot push: tag is needed when pushing to registry',
    )
  })

  test('refuses to write an archive to a terminal', () => {
    expect(() => parseOutputs(['type=oci'], { ...CONTEXT, stdoutIsTerminal: true })).toThrow(
      'Cannot use --output type=oci without dest: dest file is required for oci exporter, refusing to write to console',
    )
  })
})
