#!/usr/bin/env node
import process from 'node:process'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import * as api from '../index.ts'
import type { Host } from './host.ts'
import { runOssb } from './main.ts'
import { watchSignals } from './signals.ts'

/** Asks at the terminal; what is typed is written to `output`, by default the terminal. */
async function ask(question: string, output: Writable = process.stderr): Promise<string> {
  const prompt = createInterface({ input: process.stdin, output, terminal: process.stdin.isTTY })
  try {
    return await prompt.question(question, { signal: host.interruption.signal })
  } finally {
    prompt.close()
  }
}

const host: Host = {
  args: process.argv.slice(2),
  environment: process.env,
  self: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  now: () => Date.now(),
  interruption: watchSignals(process),
  ask: (question) => ask(question),
  async askSecret(question) {
    process.stderr.write(question)
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
    try {
      return await ask('', nowhere)
    } finally {
      process.stderr.write('\n')
    }
  },
}

const exitCode = await runOssb(host, api)
// Sockets kept open for reuse and idle workers must not keep a finished program alive.
process.stdout.write('', () => process.exit(exitCode))
