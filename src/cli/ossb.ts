#!/usr/bin/env node
import process from 'node:process'
import { createInterface } from 'node:readline/promises'
import * as api from '../index.ts'
import type { Host } from './host.ts'
import { runOssb } from './main.ts'
import { watchSignals } from './signals.ts'

const host: Host = {
  args: process.argv.slice(2),
  environment: process.env,
  self: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  now: () => Date.now(),
  interruption: watchSignals(process),
  async ask(question) {
    const prompt = createInterface({ input: process.stdin, output: process.stderr })
    try {
      return await prompt.question(question, { signal: host.interruption.signal })
    } finally {
      prompt.close()
    }
  },
}

const exitCode = await runOssb(host, api)
// Sockets kept open for reuse and idle workers must not keep a finished program alive.
process.stdout.write('', () => process.exit(exitCode))
