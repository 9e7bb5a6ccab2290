#!/usr/bin/env node
import { keepCompiled } from './compile-cache.ts'

keepCompiled(process.env)
const [{ runProgram }, { runWarmer }, api] = await Promise.all([
  import('./process-host.ts'),
  import('./kaniko/warmer.ts'),
  import('../index.ts'),
])
await runProgram((host) => runWarmer(host, api))
