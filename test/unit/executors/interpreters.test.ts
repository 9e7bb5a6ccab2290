import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  elfPattern,
  isNative,
  isStatic,
  matches,
  programArchitecture,
  readHead,
} from '../../../src/executors/architectures.ts'
import { findInterpreter, hostRegistration, registrationLine } from '../../../src/executors/interpreters.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ossb-interpreters-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** A header of a program, and after it what names a loader, where there is one. */
function elf(architecture: string, loader: 'static' | 'dynamic' = 'static'): Buffer {
  const header = Buffer.alloc(64 + 56)
  elfPattern(architecture)?.magic.copy(header)
  header.writeUInt8(3, 7)
  header.writeUInt32LE(64, 32)
  header.writeUInt16LE(56, 54)
  header.writeUInt16LE(1, 56)
  header.writeUInt32LE(loader === 'dynamic' ? 3 : 1, 64)
  return header
}

test('programs are known by their headers, through links and scripts, as a root has them', () => {
  mkdirSync(join(directory, 'bin'))
  writeFileSync(join(directory, 'bin/busybox'), elf('arm64'))
  symlinkSync('/bin/busybox', join(directory, 'bin/sh'))
  writeFileSync(join(directory, 'script'), '#! /bin/sh -e\ntrue\n')
  writeFileSync(join(directory, 'endless'), '#!/endless\n')
  const of = (program: string) => programArchitecture(directory, program, '/sbin:/bin')
  expect(['/bin/sh', 'sh', '/script', '/endless', '/none', 'none'].map(of)).toEqual([
    'arm64',
    'arm64',
    'arm64',
    undefined,
    undefined,
    undefined,
  ])
})

test('a pattern fits programs of its architecture alone', () => {
  const all = ['amd64', '386', 'arm64', 'arm', 'ppc64', 'ppc64le', 's390x', 'riscv64', 'riscv', 'mips64le']
  for (const one of all) {
    const pattern = elfPattern(one)
    expect(all.filter((other) => pattern !== undefined && matches(elf(other), pattern))).toEqual([one])
  }
  expect(isNative('s390x')).toBe(process.arch === 's390x')
})

describe('an emulator', () => {
  const empty = { PATH: '/nowhere' }

  test('is a static program, named or on PATH', () => {
    const path = join(directory, 'qemu-s390x')
    writeFileSync(path, elf('amd64', 'dynamic'), { mode: 0o755 })
    expect(isStatic(readHead(path) as Buffer)).toBe(false)
    expect(findInterpreter('s390x', [], { PATH: directory })).toEqual({
      reason: `"${path}" is no static program, so that it can't start inside another root`,
    })
    const better = `${path}-static`
    writeFileSync(better, elf('amd64'), { mode: 0o755 })
    expect(findInterpreter('s390x', [], { PATH: directory })).toEqual({ path: better })
    expect(findInterpreter('s390x', [directory], empty)).toEqual({ path: better })
    copyFileSync(better, join(directory, 'qemu-arm'))
    expect(findInterpreter('s390x', [join(directory, 'qemu-arm')], empty)).toEqual({
      reason: 'there is no qemu-s390x-static on PATH',
    })
    expect(findInterpreter('wasm', [directory], empty)).toEqual({ reason: 'QEMU emulates no wasm' })
  })

  test('is registered by a line that the kernel understands', () => {
    expect(registrationLine('s390x', '/usr/bin/q')).toBe(
      String.raw`:ossb-s390x:M::\x7f\x45\x4c\x46\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x16:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff:/usr/bin/q:PCF`,
    )
  })

  test('that the machine has registered is found by what it is for, not by its name', () => {
    const entry = (state: string, flags: string) =>
      [
        state,
        'interpreter /usr/libexec/q',
        `flags: ${flags}`,
        'offset 0',
        'magic 7f454c460201010000000000000000000200b700',
        'mask ffffffffffffff00fffffffffffffffffeffffff',
        '',
      ].join('\n')
    writeFileSync(join(directory, 'register'), '')
    writeFileSync(join(directory, 'status'), 'enabled\n')
    writeFileSync(join(directory, 'some'), entry('disabled', 'F'))
    expect(hostRegistration('arm64', directory)).toBeUndefined()
    writeFileSync(join(directory, 'some'), entry('enabled', 'POCF'))
    expect(hostRegistration('arm64', directory)).toMatchObject({ name: 'some', isFixed: true })
    writeFileSync(join(directory, 'some'), entry('enabled', ''))
    expect(hostRegistration('arm64', directory)).toMatchObject({ isFixed: false })
    expect(hostRegistration('arm', directory)).toBeUndefined()
    expect(hostRegistration('arm64', join(directory, 'none'))).toBeUndefined()
  })
})
