#!/usr/bin/env node
import * as api from '../index.ts'
import { runWarmer } from './kaniko/warmer.ts'
import { runProgram } from './process-host.ts'

await runProgram((host) => runWarmer(host, api))
