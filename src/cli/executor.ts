#!/usr/bin/env node
import { keepCompiled } from './compile-cache.ts'

keepCompiled(process.env)
const [{ runProgram }, { runKaniko }, api] = await Promise.all([
  import('./process-host.ts'),
  import('./kaniko/main.ts'),
  import('../index.ts'),
])
await runProgram((host) => runKaniko(host, api))
