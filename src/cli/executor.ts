#!/usr/bin/env node
import * as api from '../index.ts'
import { runKaniko } from './kaniko/main.ts'
import { runProgram } from './process-host.ts'

await runProgram((host) => runKaniko(host, api))
