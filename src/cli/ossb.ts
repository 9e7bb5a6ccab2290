#!/usr/bin/env node
import * as api from '../index.ts'
import { runOssb } from './main.ts'
import { runProgram } from './process-host.ts'

await runProgram((host) => runOssb(host, api))
