import { once } from 'node:events'
import process from 'node:process'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { restoreExtraCertificates } from './extra-certificates.ts'
import type { Host } from './host.ts'
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
  environment: restoreExtraCertificates(process.env),
  directory: process.cwd(),
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

/** Runs a program with this process as its host, and ends the process with the status that it answers. */
export async function runProgram(program: (host: Host) => Promise<number>): Promise<void> {
  const exitCode = await program(host)
  // Sockets kept open for reuse and idle workers must not keep a finished program alive.
  process.stdout.write('', () => process.exit(exitCode))
}
