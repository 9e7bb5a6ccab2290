#!/usr/bin/env node
import { keepCompiled } from './compile-cache.ts'

keepCompiled(process.env)
const [{ runProgram }, { runOssb }, api] = await Promise.all([
  import('./process-host.ts'),
  import('./main.ts'),
  import('../index.ts'),
])
await runProgram((host) => runOssb(host, api))
