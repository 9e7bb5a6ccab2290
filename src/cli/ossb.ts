#!/usr/bin/env node
import { once } from 'node:events'
import process from 'node:process'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import * as api from '../index.ts'
import type { Host } from './host.ts'
import { runOssb } from './main.ts'
import { watchSignals } from './signals.ts'

/** Asks at the terminal; what is typed is shown in `shown`. No more input is an empty answer. */
async function ask(question: string, shown: Writable): Promise<string> {
  const isShown = shown === process.stderr
  const prompt = createInterface({ input: process.stdin, output: shown, terminal: process.stdin.isTTY })
  // The terminal gives Ctrl-C to the prompt, and no signal to us.
  prompt.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  const closed = once(prompt, 'close').then(() => '')
  try {
    // From here on the terminal itself shows nothing of what is typed.
    if (!isShown) process.stderr.write(question)
    const { signal } = host.interruption
    const answer = prompt.question(isShown ? question : '', { signal }).catch((error: unknown) => {
      // Ctrl-D.
      if (!signal.aborted) return ''
      throw error
    })
    return await Promise.race([answer, closed])
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
  ask: (question) => ask(question, process.stderr),
  async askSecret(question) {
    try {
      return await ask(question, new Writable({ write: (_chunk, _encoding, done) => done() }))
    } finally {
      process.stderr.write('\n')
    }
  },
}

const exitCode = await runOssb(host, api)
// Sockets kept open for reuse and idle workers must not keep a finished program alive.
process.stdout.write('', () => process.exit(exitCode))
